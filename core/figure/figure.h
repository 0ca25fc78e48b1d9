#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/figure/color.h"
#include "core/session/action.h"
#include "core/session/snapshot.h"

namespace headroom {

// A picture as a value. Lengths are logical pixels (scale 1), the origin is the top left corner, y grows downwards.

struct Point {
  double x = 0, y = 0;
  bool operator==(const Point&) const = default;
};
struct Rect {
  double x = 0, y = 0, w = 0, h = 0;
  bool contains(Point p) const { return p.x >= x && p.y >= y && p.x < x + w && p.y < y + h; }
  bool operator==(const Rect&) const = default;
};
struct Size {
  double w = 0, h = 0;
  bool operator==(const Size&) const = default;
};

enum class FontFace { kSans, kSansMedium, kMono };
/// Two text sizes and a heading, in logical pixels.
inline constexpr double kTextSize = 13, kSmallTextSize = 11.5, kHeadingSize = 16;

struct FilledRect {
  Rect rect;
  std::optional<Color> fill, stroke;
  double stroke_width = 1, radius = 0;
};
struct Polyline {
  std::vector<Point> points;
  Color color;
  double width = 1;
  bool is_closed = false;
  std::optional<Color> fill;
  double dash = 0;  ///< length of dashes, with gaps of two thirds of it; 0: drawn through
};
/// Cubic Bézier.
struct Curve {
  Point from, control_from, control_to, to;
  Color color;
  double width = 1;
};
enum class Anchor { kLeft, kCentre, kRight };
struct TextRun {
  Point at;          ///< anchor point: left/centre/right end, at the vertical middle of the line
  std::string text;  ///< UTF-8
  FontFace face = FontFace::kSans;
  double size = kTextSize;
  Color color;
  Anchor anchor = Anchor::kLeft;
  double angle = 0;      ///< degrees, counter-clockwise around `at`
  double max_width = 0;  ///< 0: unlimited; longer text is shortened in the middle with "…"
};
/// Sequential: from the map's one end to the other. Diverging: around zero, from -value_max to value_max, in the two colours of differences.
enum class Coloring { kSequential, kDiverging };
/// Attention cells, by reference to the figure's snapshot (request), painted with a colour per cell, no smoothing.
struct AttentionTile {
  Rect rect;
  TileRequest request;
  ColorMapName colormap = ColorMapName::kViridis;
  ColorScale scale = ColorScale::kLinear;
  FirstToken first_token = FirstToken::kShown;  ///< left out: column 0 is drawn as masked, and rows are scaled without it
  double value_min = 0, value_max = 1;          ///< what the ends of the map mean (scores: the head's own range)
  double opacity = 1;
  bool shows_grid = false;      ///< hairlines between cells, when cells are at least 8 px
  std::int32_t own_cells = -1;  ///< index into Figure::own_cells: those values are drawn, and request is theirs; -1: the snapshot's
  Coloring coloring = Coloring::kSequential;
};
/// Diagonal hatching: pruned heads.
struct Hatch {
  Rect rect;
  Color color;
  double spacing = 6;
};
/// The colour map from left to right.
struct ColorRamp {
  Rect rect;
  ColorMapName colormap;
  Coloring coloring = Coloring::kSequential;
};
/// The ramp's colour at a share of its width.
Color ramp_color(const ColorRamp& ramp, const Theme& theme, double share);
/// Everything after it is clipped to rect, until the next ClipTo. An empty rect lifts the clip.
struct ClipTo {
  Rect rect;
};
using Item = std::variant<FilledRect, Polyline, Curve, TextRun, AttentionTile, Hatch, ColorRamp, ClipTo>;

/// Where the pointer does something.
struct HitRegion {
  Rect shape;
  std::string tooltip;  ///< lines; the first is the title
  std::optional<Action> click;
  std::optional<Action> double_click;
  std::optional<Action> ctrl_click;
  std::string name;  ///< stable, for tests: "head L3 H7", "cell 8 2"
};

/// A grid of cells as one region: hover and click are computed, not stored per cell.
struct CellGrid {
  Rect rect;
  TileRequest request;      ///< row/col ranges that the rectangle spans
  bool opens_head = false;  ///< click: HeadOpened (overview) instead of CellSelected
  /// The key that each of as many equal columns stands for, where one covers several; null: keys are evenly spread.
  std::shared_ptr<const std::vector<std::int64_t>> column_keys;
  /// Queries and keys that a drawn cell covers, counted from token 0; 1: each pair has its own.
  std::int64_t cell_queries = 1, cell_keys = 1;
};

/// A small picture of a whole head: a click or a drag there moves what the large picture shows.
struct Overview {
  Rect rect;
  std::int64_t n_queries = 0, n_keys = 0;
  std::string tooltip;  ///< as HitRegion's
};

struct Figure {
  std::string title;  ///< plain words: what the picture shows; goes into exported files
  Size size;
  std::vector<Item> items;
  std::vector<HitRegion> hits;       ///< later ones lie on top
  std::vector<CellGrid> cell_grids;  ///< of head_figure: the large picture first
  std::vector<Overview> overviews;   ///< at most one
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<std::shared_ptr<const Tile>> own_cells;  ///< of tiles whose values are not the snapshot's

  /// The tile's own values; null where it has none.
  std::shared_ptr<const Tile> own_cells_of(const AttentionTile& tile) const {
    return tile.own_cells < 0 ? nullptr : own_cells[static_cast<std::size_t>(tile.own_cells)];
  }
};

/// Widths of text, so that figures can be laid out without a window. One per painter; widths agree within a pixel.
class TextMeasurer {
 public:
  virtual ~TextMeasurer() = default;
  virtual double width(std::string_view text, FontFace face, double size) const = 0;
};

/// `text` shortened in the middle with "…" until it is at most max_width wide.
std::string shorten_middle(std::string_view text, double max_width, FontFace face, double size, const TextMeasurer& measurer);

/// A token as it is drawn: whitespace and control characters visible, unknown words in ‹ ›, direction marks as code points. Words of
/// right-to-left scripts come in visual order, because painters put letters from left to right.
std::string display_token(const Token& token);

/// What lies under the pointer.
struct Hover {
  const HitRegion* region = nullptr;
  const CellGrid* grid = nullptr;
  const Overview* overview = nullptr;  ///< lies on top of regions and grids: then both are null
  std::int64_t query = -1, key = -1;   ///< when grid or overview is set
};
Hover hit_test(const Figure& figure, Point at);

/// What a drawn cell says of all the pairs that it covers, for a tooltip; empty where a cell is one pair, or where it is not known yet.
std::string covered_tooltip(const Snapshot& snapshot, const CellGrid& grid, std::int64_t query, std::int64_t key);

/// Tooltip of a cell: tokens, score, probability, masked or not.
std::string cell_tooltip(const Snapshot& snapshot, const TileRequest& grid, std::int64_t query, std::int64_t key);

}  // namespace headroom
