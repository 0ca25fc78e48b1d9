#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/figure/figure.h"

struct ImFont;

namespace headroom {

/// Draws Figures into the current ImGui window. Attention tiles live in one texture atlas that is refilled only when a snapshot or
/// the way of looking changes; all tiles of a figure are one draw call. Tiles that cost more than a frame may are evaluated on a
/// thread of its own, the previous picture standing meanwhile.
///
/// Threads  the thread that owns the OpenGL context.
class ImGuiPainter {
 public:
  /// `wake` is called (from any thread) when a tile became ready and a new frame should be drawn.
  explicit ImGuiPainter(std::function<void()> wake);
  ~ImGuiPainter();

  /// Adds the figure's items with its origin at (x, y) in ImGui's screen coordinates, times `scale`.
  void draw(const Figure& figure, const Theme& theme, Point origin, double scale);
  /// True while a tile asked for in the last frame is not ready yet.
  bool is_waiting() const;
  /// How far the tiles asked for in the last frame are, in [0, 1].
  double progress() const;
  /// Waits for all tiles (exports and tests).
  void finish();

  struct Counters {
    int tiles_drawn = 0, tiles_evaluated = 0;
    std::int64_t bytes_uploaded = 0;
  };
  Counters take_counters();  ///< since the last call

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The fonts of FontFiles in the current ImGui context's atlas at a scale; rebuilt when the scale or the set of characters changes.
class ImGuiFonts {
 public:
  ImGuiFonts();
  ~ImGuiFonts();
  /// Call between frames. `text` = every character that will be drawn (token texts, the sentence). Returns whether the atlas changed:
  /// then its texture must be made anew.
  /// Edge  The atlas stays within max_texture pixels a side: what does not fit is drawn as code points.
  bool update(double scale, std::string_view text, int max_texture = 8192);
  /// Something was to be drawn whose letters the next update() may bring: a frame is due.
  bool has_missed() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};
/// The font of the current ImGui context's atlas that draws this face at this logical size, or the nearest one that there is; never null.
ImFont* imgui_font(FontFace face, double size);
/// What ImGui calls the size of a font whose em is `size`: the height of its line. Both in logical pixels.
float imgui_line_height(FontFace face, double size);
/// `text` with what the atlas does not have (it will from the next frame on, where some font of this machine does) as \u{1F642}, and bytes that are no UTF-8 as \xFF.
std::string imgui_drawable(std::string_view text, FontFace face);
/// Text widths from the atlas, in logical pixels.
std::unique_ptr<TextMeasurer> make_imgui_measurer();

}  // namespace headroom
