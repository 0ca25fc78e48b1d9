#include <algorithm>
#include <cmath>

#include "core/figure/head_blocks.h"
#include "core/figure/head_minimap.h"
#include "core/figure/head_picture.h"
#include "core/figure/head_values.h"
#include "core/figure/legend.h"
#include "core/figure/number_text.h"
#include "core/figure/row_plot.h"
#include "core/figure/tile_items.h"
#include "core/figure/token_axis.h"
#include "core/figure/token_part.h"

namespace headroom {
namespace {

constexpr double kLargestCell = 64, kPrintedCell = 34;
constexpr double kDiagonal = 0.7071067811865476;

/// Room for what stands below the picture: a row's plot, and the whole row where the picture shows a part of it.
constexpr double kPlotCaption = 20, kWholeRowHeight = 22, kProfileGap = 8;
constexpr double kLeastHeightForProfile = 360;

class Heatmap {
 public:
  Heatmap(Canvas& canvas, const HeadPicture& view)
      : canvas_(canvas),
        view_(view),
        snapshot_(*canvas.input().snapshot),
        size_(snapshot_),
        window_(shown_window(canvas.input().session.view, snapshot_)) {}

  void draw() {
    // The range is needed for the legend, whose height is needed for the picture: its place comes last.
    like_ = make_tile(canvas_.input(), view_.head, view_.area, window_);
    like_.shows_grid = true;
    is_sampled_ = set_value_range(like_, snapshot_) == Sampling::kSampled;
    make_legend();
    place();
    draw_tiles();
    draw_emphasis();
    draw_labels();
    draw_profile();
    if (minimap_.w > 0) draw_minimap(canvas_, {.rect = minimap_, .window = window_, .like = like_});
    lay_out_legend(canvas_, legend_, legend_area_, LegendPass::kDraw);
  }

 private:
  bool is_part() const { return window_.rows() < size_.queries || window_.cols() < size_.keys; }

  void make_legend() {
    legend_ = legend_of(like_);
    legend_.has_not_numbers = holds_not_numbers(snapshot_);
    if (is_part()) {
      legend_.sentences.push_back("Queries " + count_text(window_.row_begin) + " to " + count_text(window_.row_end - 1) +
                                  (size_.is_square() ? "" : " of " + count_text(size_.queries)) + ", keys " +
                                  count_text(window_.col_begin) + " to " + count_text(window_.col_end - 1) + " of " +
                                  count_text(size_.keys) + ".");
    }
    const std::size_t place_of_cells = legend_.sentences.size();
    if (is_sampled_) legend_.sentences.push_back("The range is of sampled rows.");
    legend_.sentences.push_back("Rows: the token that looks (query). Columns: the token looked at (key).");
    if (std::max(window_.rows(), window_.cols()) <= kBlockCells) return;
    // How many pairs a cell covers follows from its place, which follows from the legend's height: the widest is measured.
    legend_cells_ = place_of_cells;
    legend_.sentences.insert(legend_.sentences.begin() + static_cast<std::ptrdiff_t>(place_of_cells),
                             cells_sentence(size_.queries, size_.keys));
  }

  std::string cells_sentence(std::int64_t rows, std::int64_t cols) const {
    const bool is_max = canvas_.input().session.view.pooling == Pooling::kMax;
    return std::string("Each cell shows the ") + (is_max ? "largest" : "mean") + " of the " + count_text(rows) + " × " +
           count_text(cols) + " pairs that it covers.";
  }
  void settle_legend() {
    if (!legend_cells_) return;
    const std::int64_t rows = std::int64_t{1} << block_level(window_.rows(), square_.h);
    const std::int64_t cols = std::int64_t{1} << block_level(window_.cols(), square_.w);
    const auto at = legend_.sentences.begin() + static_cast<std::ptrdiff_t>(*legend_cells_);
    if (rows == 1 && cols == 1) {
      legend_.sentences.erase(at);
    } else {
      *at = cells_sentence(rows, cols);
    }
  }

  std::vector<std::int64_t> emphasised_rows() const {
    std::vector<std::int64_t> rows;
    if (canvas_.input().hovered_query) rows.push_back(*canvas_.input().hovered_query);
    if (view_.query) rows.push_back(*view_.query);
    return rows;
  }
  std::vector<std::int64_t> emphasised_cols() const {
    std::vector<std::int64_t> cols;
    if (canvas_.input().hovered_key) cols.push_back(*canvas_.input().hovered_key);
    if (view_.key) cols.push_back(*view_.key);
    return cols;
  }
  TokenAxis row_axis() const {
    return {snapshot_.tokens, window_.row_begin, window_.row_end,          square_.y, square_.h, square_.x,
            row_room_,        emphasised_rows(), labels_for(size_.queries)};
  }
  TokenAxis column_axis() const {
    return {snapshot_.keys(), window_.col_begin, window_.col_end,       square_.x, square_.w, square_.y,
            column_room_,     emphasised_cols(), labels_for(size_.keys)};
  }

  double profile_height() const {
    if (!view_.query || view_.area.h < kLeastHeightForProfile) return 0;
    const double whole = window_.cols() < size_.keys ? kWholeRowHeight + kProfileGap : 0;
    return 12 + kPlotCaption + std::round(std::clamp(view_.area.h * 0.11, 36.0, 88.0)) + whole;
  }

  /// Cells stay square while that leaves a picture: a window a thousand times as wide as high is stretched.
  Size picture_size(Size room) const {
    const double rows = static_cast<double>(window_.rows()), cols = static_cast<double>(window_.cols());
    const double aspect = std::clamp(cols / rows, 0.25, 4.0);
    Size size{std::min(room.w, kLargestCell * cols), std::min(room.h, kLargestCell * rows)};
    size.h = std::max(8.0, std::min(size.h, size.w / aspect));
    size.w = size.h * aspect;
    const auto whole_pixels = [](double length, double n) {
      const double cell = length / n;
      return std::floor(cell >= 4 ? std::floor(cell) * n : length);
    };
    return {std::max(8.0, whole_pixels(size.w, cols)), std::max(8.0, whole_pixels(size.h, rows))};
  }

  void place() {
    const Rect& area = view_.area;
    const double legend_height =
        lay_out_legend(canvas_, legend_, {area.x, 0, area.w, std::max(60.0, area.h / 4)}, LegendPass::kMeasure);
    row_room_ = label_room(canvas_, row_axis(), std::clamp(area.w * 0.25, 24.0, 112.0));
    column_room_ = label_room(canvas_, column_axis(), std::clamp(area.h * 0.2, 24.0, 96.0));
    const double left = row_room_ + 12, top = std::ceil(column_room_ * kDiagonal) + 16;
    // The last column's label leans out to the right.
    const double right = std::ceil(column_room_ * kDiagonal) + 12;
    const double profile = profile_height();
    const Size room{area.w - left - right, area.h - top - legend_height - 16 - profile};
    Size picture = picture_size(room);
    if (is_part()) {
      // The small picture stands beside the large one, which gives way to it where that costs little.
      const double spare = area.w - left - picture.w - kMinimapGap;
      double map = std::floor(std::clamp(std::min(spare, picture.h * 0.4), kSmallestMinimap, kLargestMinimap));
      if (spare < map) {
        const Size narrower = picture_size({area.w - left - kMinimapGap - map, room.h});
        if (narrower.w * narrower.h >= 0.6 * picture.w * picture.h) {
          picture = narrower;
        } else {
          map = 0;
        }
      }
      map = std::min(map, picture.h);
      const double aspect = std::clamp(static_cast<double>(size_.keys) / static_cast<double>(size_.queries), 0.25, 4.0);
      minimap_.w = std::floor(map * std::min(1.0, aspect));
      minimap_.h = std::floor(map / std::max(1.0, aspect));
      if (map < kSmallestMinimap) minimap_ = {};
    }
    const double beside = std::max(right, minimap_.w > 0 ? kMinimapGap + minimap_.w : 0);
    // The large picture stays where it was when the small one comes.
    const double centred = (area.w - left - picture.w - right) / 2;
    const double lead = std::floor(std::clamp(std::min(centred, area.w - left - picture.w - beside), 0.0, area.w / 4));
    square_ = {area.x + lead + left, area.y + top, picture.w, picture.h};
    minimap_.x = square_.x + square_.w + kMinimapGap;
    minimap_.y = square_.y;
    profile_ = {square_.x, square_.y + square_.h + 12, square_.w, std::max(0.0, profile - 12)};
    settle_legend();
    const double limit = std::max(60.0, area.h / 4);
    legend_area_ = {area.x + lead, square_.y + square_.h + profile + 16, area.w - lead, limit};
    if (lay_out_legend(canvas_, legend_, legend_area_, LegendPass::kMeasure) > legend_height) {
      legend_area_ = {area.x, legend_area_.y, area.w, limit};
    }
  }

  void draw_tiles() {
    const std::vector<AttentionTile> tiles =
        block_tiles({.rect = square_, .window = window_, .like = like_, .size = size_, .mask = mask()});
    const auto is_inside = [&](const AttentionTile& tile) { return intersection(tile.rect, square_) == tile.rect; };
    const bool is_whole = tiles.size() == 1 && tiles[0].rect == square_;
    if (!is_whole) canvas_.fill(square_, masked_color(canvas_.theme(), like_.colormap));
    const bool hangs_over = !std::all_of(tiles.begin(), tiles.end(), is_inside);
    if (hangs_over) canvas_.clip(square_);
    for (const AttentionTile& tile : tiles)
      canvas_.add(tile);
    if (hangs_over) canvas_.unclip();
    like_.rect = square_;
    like_.request = make_tile(canvas_.input(), view_.head, square_, window_).request;
    canvas_.cells({.rect = square_,
                   .request = like_.request,
                   .opens_head = false,
                   .column_keys = nullptr,
                   .cell_queries = std::int64_t{1} << block_level(window_.rows(), square_.h),
                   .cell_keys = std::int64_t{1} << block_level(window_.cols(), square_.w)});
    if (std::min(cell_w(), cell_h()) >= kPrintedCell) print_values();
  }
  /// Of the head's own layer: a model's windows differ from layer to layer.
  const Mask& mask() const { return snapshot_.trace->layers[static_cast<std::size_t>(view_.head.layer)].mask; }
  double cell_w() const { return square_.w / static_cast<double>(window_.cols()); }
  double cell_h() const { return square_.h / static_cast<double>(window_.rows()); }

  /// What the scale by row goes by: the row's own cells, or where they are a part of it, all of it.
  std::vector<ValueRange> row_ranges(const Tile& values) const {
    std::vector<ValueRange> ranges;
    std::vector<RowExtent> extents;
    if (like_.scale == ColorScale::kPerRow && window_.cols() < size_.keys) extents = row_extents(*snapshot_.trace, like_.request);
    for (std::int64_t r = 0; r < like_.request.rows; ++r) {
      ranges.push_back(extents.empty() ? row_range(like_, values, r) : extent_range(like_, extents[static_cast<std::size_t>(r)]));
    }
    return ranges;
  }

  void print_cell(std::int64_t r, std::int64_t c, const std::string& text, Color fill) {
    TextStyle style = canvas_.mono();
    style.anchor = Anchor::kCentre;
    style.color = text_over(canvas_.theme(), fill);
    canvas_.text({square_.x + (static_cast<double>(c) + 0.5) * cell_w(), square_.y + (static_cast<double>(r) + 0.5) * cell_h()},
                 text, style, cell_w() - 2);
  }

  void print_values() {
    const Tile values = evaluate_tile(*snapshot_.trace, like_.request);
    if (values.is_pruned) return;
    const bool is_scores = like_.request.quantity == Quantity::kScores;
    const std::vector<ValueRange> ranges = row_ranges(values);
    for (std::int64_t r = 0; r < like_.request.rows; ++r) {
      for (std::int64_t c = 0; c < like_.request.cols; ++c) {
        const float value = values.values[static_cast<std::size_t>(r * like_.request.cols + c)];
        const auto at = static_cast<std::size_t>(r * like_.request.cols + c);
        const bool is_broken = at < values.not_numbers.size() && values.not_numbers[at] != 0;
        if (is_broken) print_cell(r, c, "NaN", not_a_number_color(canvas_.theme()));
        if (std::isnan(value) || is_left_out(like_, c)) continue;
        const Color fill = colormap_color(like_.colormap, color_share(like_, value, ranges[static_cast<std::size_t>(r)]));
        print_cell(r, c, fixed(value, is_scores ? 1 : 2), fill);
      }
    }
  }

  struct Line {
    std::optional<std::int64_t> row, col;
    Color color;
    double width;
  };
  /// Outlines of a row and of a column.
  void outline(const Line& line) {
    if (line.row && *line.row >= window_.row_begin && *line.row < window_.row_end) {
      const double y = square_.y + static_cast<double>(*line.row - window_.row_begin) * cell_h();
      canvas_.outline({square_.x - 1, y - 1, square_.w + 2, cell_h() + 2}, line.color, line.width, cell_h() >= 12 ? 2 : 0);
    }
    if (line.col && *line.col >= window_.col_begin && *line.col < window_.col_end) {
      const double x = square_.x + static_cast<double>(*line.col - window_.col_begin) * cell_w();
      canvas_.outline({x - 1, square_.y - 1, cell_w() + 2, square_.h + 2}, line.color, line.width, cell_w() >= 12 ? 2 : 0);
    }
  }

  void draw_emphasis() {
    const Theme& theme = canvas_.theme();
    outline({canvas_.input().hovered_query, canvas_.input().hovered_key, with_alpha(theme.text, 0.45), 1});
    const double cell = std::min(cell_w(), cell_h());
    if (view_.query && view_.key) {
      outline({view_.query, view_.key, with_alpha(theme.accent, 0.6), 1});
      if (!window_.contains(*view_.query, *view_.key)) return;
      const double x = square_.x + static_cast<double>(*view_.key - window_.col_begin) * cell_w();
      const double y = square_.y + static_cast<double>(*view_.query - window_.row_begin) * cell_h();
      canvas_.outline({x - 2, y - 2, cell_w() + 4, cell_h() + 4}, theme.accent, 2, cell >= 12 ? 3 : 0);
      return;
    }
    outline({view_.query, {}, theme.accent, cell >= 12 ? 2.0 : 1.0});
  }

  void draw_labels() {
    const TokenAxis rows = row_axis(), cols = column_axis();
    draw_row_labels(canvas_, rows);
    draw_column_labels(canvas_, cols);
    for (const std::int64_t token : labelled_tokens(rows, kRowLabelPitch)) {
      const double middle = square_.y + (static_cast<double>(token - window_.row_begin) + 0.5) * cell_h();
      const double height = std::max(cell_h(), kRowLabelPitch);
      const double top = std::max(view_.area.y, middle - height / 2);
      canvas_.hit({.shape = {square_.x - 8 - row_room_, top, row_room_ + 8, height},
                   .tooltip = "query " + std::to_string(token) + " " +
                              display_token(snapshot_.tokens[static_cast<std::size_t>(token)]) + "\nclick chooses this row",
                   .click = QuerySelected{token},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "query " + std::to_string(token)});
    }
  }

  /// The chosen row below the picture, key under key; below that the whole of it, with what the picture shows framed.
  void draw_profile() {
    if (profile_.h <= 0) return;
    const auto probabilities = row_probabilities(snapshot_, view_.head, *view_.query);
    const RowPeak peak = row_peak(*probabilities, like_.first_token);
    RowPlot plot{.rect = profile_,
                 .head = view_.head,
                 .query = *view_.query,
                 .begin = window_.col_begin,
                 .end = window_.col_end,
                 .probabilities = *probabilities,
                 .largest = peak.probability,
                 .scale = like_.scale,
                 .key = view_.key,
                 .hovered_key = canvas_.input().hovered_key};
    plot.rect.h -= kPlotCaption;
    const bool has_whole = window_.cols() < size_.keys;
    if (has_whole) plot.rect.h -= kWholeRowHeight + kProfileGap;
    draw_row_plot(canvas_, plot);
    TextStyle scale = canvas_.faint();
    scale.anchor = Anchor::kRight;
    if (peak.key >= 0 && row_room_ >= 28)
      canvas_.text({plot.rect.x - 8, plot.rect.y + kSmallLine / 2}, probability_text(peak.probability), scale, row_room_);
    double bottom = plot.rect.y + plot.rect.h;
    std::int64_t pooled = keys_a_bar(plot);
    if (has_whole) {
      RowPlot whole = plot;
      whole.begin = 0;
      whole.end = size_.keys;
      whole.rect = {plot.rect.x, bottom + kProfileGap, plot.rect.w, kWholeRowHeight};
      draw_row_plot(canvas_, whole);
      pooled = keys_a_bar(whole);
      const double key = whole.rect.w / static_cast<double>(size_.keys);
      const double width = std::max(4.0, static_cast<double>(window_.cols()) * key);
      const double x = std::clamp(whole.rect.x + static_cast<double>(window_.col_begin) * key, whole.rect.x,
                                  whole.rect.x + whole.rect.w - width);
      canvas_.fill({x, whole.rect.y, width, whole.rect.h}, with_alpha(canvas_.theme().accent, 0.2));
      canvas_.outline({x, whole.rect.y - 1, width, whole.rect.h + 2}, canvas_.theme().accent, 1.5);
      if (row_room_ >= 28) canvas_.text({whole.rect.x - 8, whole.rect.y + kWholeRowHeight / 2}, "all keys", scale, row_room_);
      bottom = whole.rect.y + whole.rect.h;
    }
    std::string caption = "Row " + count_text(*view_.query) + " " +
                          display_token(snapshot_.tokens[static_cast<std::size_t>(*view_.query)]) + ": probability of each key";
    if (peak.key >= 0) {
      caption += " · largest " + probability_text(peak.probability) + " at key " + count_text(peak.key) + " " +
                 display_token(snapshot_.keys()[static_cast<std::size_t>(peak.key)]);
    }
    if (like_.scale == ColorScale::kLog) caption += " · log scale";
    if (pooled > 1) {
      caption += std::string(" · ") + (has_whole ? "all keys: " : "") + "a bar is the largest of up to " + count_text(pooled);
    }
    const double right = view_.area.x + view_.area.w;
    canvas_.parts({profile_.x, bottom + kPlotCaption / 2 + 2}, caption, canvas_.faint(), right - profile_.x);
  }

  static constexpr double kMinimapGap = 20;

  Canvas& canvas_;
  HeadPicture view_;
  const Snapshot& snapshot_;
  HeadSize size_;
  TokenWindow window_;
  AttentionTile like_;  ///< how all tiles look; its request is of the whole window
  bool is_sampled_ = false;
  Legend legend_;
  std::optional<std::size_t> legend_cells_;  ///< which of its sentences says how many pairs a cell covers
  Rect square_, legend_area_, minimap_, profile_;
  double row_room_ = 0, column_room_ = 0;
};

}  // namespace

void draw_heatmap(Canvas& canvas, const HeadPicture& view) { Heatmap(canvas, view).draw(); }

}  // namespace headroom
