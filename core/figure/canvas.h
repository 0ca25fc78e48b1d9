#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/figure/views.h"

namespace headroom {

/// Heights of a line of text at the two sizes, and the grid that everything lies on.
inline constexpr double kLine = 20, kSmallLine = 16, kGrid = 4;

struct TextStyle {
  Color color;
  double size = kTextSize;
  FontFace face = FontFace::kSans;
  Anchor anchor = Anchor::kLeft;
};

/// Builds a Figure item by item. Text is shortened and wrapped here, so that every painter draws the same words.
class Canvas {
 public:
  Canvas(const FigureInput& input, std::string title);

  const Theme& theme() const { return input_.theme; }
  const FigureInput& input() const { return input_; }
  double width(std::string_view text, const TextStyle& style) const;

  TextStyle body() const { return {.color = theme().text}; }
  TextStyle small() const { return {.color = theme().text_dim, .size = kSmallTextSize}; }
  TextStyle faint() const { return {.color = theme().text_faint, .size = kSmallTextSize}; }
  TextStyle mono() const { return {.color = theme().text, .size = kSmallTextSize, .face = FontFace::kMono}; }

  void add(Item item);
  void fill(const Rect& rect, Color color, double radius = 0);
  void outline(const Rect& rect, Color color, double width = 1, double radius = 0);
  void line(Point from, Point to, Color color, double width = 1);
  /// One line, its vertical middle at `at`. Shortened in the middle to max_width when that is positive. Returns the drawn width.
  double text(Point at, std::string_view text, const TextStyle& style, double max_width = 0);
  /// One line of parts separated by ", " or " · ": parts from the end are left away whole until it fits; half a phrase would mislead.
  double parts(Point at, std::string_view text, const TextStyle& style, double max_width);
  /// Wrapped at spaces into at most max_lines lines of `area.w`; what does not fit is left away whole lines at a time, ending with "…".
  /// area.y is the top. Returns the height used.
  double paragraph(const Rect& area, std::string_view text, const TextStyle& style, std::size_t max_lines = 8);
  std::vector<std::string> wrap(std::string_view text, const TextStyle& style, double max_width) const;
  /// "TIMING  last run, measured": a panel's title, medium and in capitals, with faint details. Returns the height used.
  double panel_title(Point at, std::string_view title, std::string_view detail, double max_width);
  /// A rounded bar of `share` in [0, 1] of the track.
  void bar(const Rect& track, double share, Color color);
  void hit(HitRegion region) { figure_.hits.push_back(std::move(region)); }
  void cells(const CellGrid& grid) { figure_.cell_grids.push_back(grid); }
  void overview(Overview overview) { figure_.overviews.push_back(std::move(overview)); }
  /// Keeps values that are not the snapshot's; the answer is what AttentionTile::own_cells wants.
  std::int32_t own_cells(std::shared_ptr<const Tile> cells) {
    figure_.own_cells.push_back(std::move(cells));
    return static_cast<std::int32_t>(figure_.own_cells.size()) - 1;
  }
  void clip(const Rect& rect) { add(ClipTo{rect}); }
  void unclip() { add(ClipTo{}); }
  void set_height(double height) { figure_.size.h = height; }

  Figure take() { return std::move(figure_); }

 private:
  const FigureInput& input_;
  Figure figure_;
};

/// A figure that has nothing to show yet: what is missing, and how to get it.
struct Message {
  std::string heading, sentence;
};
Figure message_figure(const FigureInput& input, const std::string& title, const Message& message);

/// Figures that fill a panel of the window stand in its own margins; a large one is a page with margins, and never wider than reads well.
bool is_panel_size(Size size);
Rect panel_area(Size size);

/// The text colour that reads better over a fill.
Color text_over(const Theme& theme, Color fill);

/// True when the snapshot holds a pass that a figure can show.
bool has_trace(const FigureInput& input);

}  // namespace headroom
