#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "core/figure/figure.h"

struct ImFont;
struct ImDrawList;

namespace headroom {

/// What widgets remember between frames: which one the keyboard drives, which number is being typed, how long the pointer rests.
struct WidgetMemory {
  unsigned int focused = 0;                     ///< ImGui id of the widget that Tab reached; 0: none
  bool shows_focus = false;                     ///< the ring is drawn only after Tab was used
  std::vector<unsigned int> order, last_order;  ///< ids in the order of drawing, this frame and the one before
  unsigned int typing = 0;                      ///< slider whose number is being typed
  std::array<char, 32> typed{};
  bool starts_typing = false;
  unsigned int rested_on = 0;  ///< the tooltip's candidate
  double rested_since = 0;
  double tooltip_wait = 0;      ///< seconds until a tooltip is due; infinite: none waits
  bool is_text_active = false;   ///< a text box of ours has the keyboard
  bool has_active_text = false;  ///< one drawn so far in this frame has it
};

/// What every widget needs to draw itself. Lengths given to widgets are logical pixels; `scale` makes them ImGui's.
struct Look {
  const Theme& theme;
  float scale;
  WidgetMemory& memory;

  float px(double logical) const { return static_cast<float>(logical) * scale; }
};

/// Call once before the first widget of a frame: moves the keyboard's focus on Tab.
void begin_widgets(const Look& look);
/// No text box has the keyboard, so single letters are shortcuts.
bool letters_are_free(const Look& look);

/// ImGui's packed colour.
unsigned int pack(Color color);

struct TextStyle {
  FontFace face = FontFace::kSans;
  double size = kTextSize;  ///< logical pixels
  Color color;
};

/// The font of the atlas that draws this face best at this size.
ImFont* face_font(FontFace face, double size);

/// Font of all ImGui calls in its life: labels of popups, text boxes.
class FontScope {
 public:
  FontScope(FontFace face, double size);
  ~FontScope();
  FontScope(const FontScope&) = delete;
};

/// What ImGui calls the size of such a text: the height of its line, in ImGui pixels. style.size is the em, as in every picture.
float line_px(const Look& look, const TextStyle& style);

/// ImGui pixels; `wrap` > 0 in ImGui pixels breaks lines there.
struct TextExtent {
  float w = 0, h = 0;
};
TextExtent text_extent(const Look& look, std::string_view text, const TextStyle& style, float wrap = 0);

/// Draws at ImGui's screen position (left, top), without an item.
void draw_text(const Look& look, ImDrawList& list, Point at, std::string_view text, const TextStyle& style, float wrap = 0);
/// Drawn within max_width ImGui pixels; a longer text ends in "…". Returns the width drawn.
float draw_text_fitted(const Look& look, ImDrawList& list, Point at, std::string_view text, const TextStyle& style,
                       float max_width);

/// A paragraph as an item at the cursor, wrapped at the panel's right edge.
void paragraph(const Look& look, std::string_view text, const TextStyle& style);
TextStyle small_text(const Look& look);  ///< explanations: small, dim
TextStyle body_text(const Look& look);
TextStyle number_text(const Look& look);  ///< mono

/// Vertical space at the cursor, logical pixels.
void gap(const Look& look, double height);
/// A hairline over the whole width of the current window, with `around` logical pixels above and below.
void rule(const Look& look, double around = 12);
/// "SENTENCE": a panel's section. `note` follows in small dim letters.
void heading(const Look& look, const char* text, std::string_view note = {});

/// For the item just drawn, after the pointer rested on it a moment; also while it is disabled.
void tooltip(const Look& look, std::string_view text);
/// At once, where the pointer is: for pictures. With several lines the first is the title.
void tooltip_now(const Look& look, std::string_view text);

// Shapes at ImGui's screen coordinates. One place, because ImGui changed the order of some arguments between versions.
void fill_rect(ImDrawList& list, const Rect& rect, Color color, double radius = 0);
void stroke_rect(ImDrawList& list, const Rect& rect, Color color, double radius = 0);
void draw_line(ImDrawList& list, Point from, Point to, Color color);
/// A small triangle that points down: what can be unfolded.
void draw_chevron(const Look& look, ImDrawList& list, Point centre, Color color);

}  // namespace headroom
