#include <algorithm>
#include <cmath>

#include "core/figure/head_picture.h"
#include "core/figure/legend.h"
#include "core/figure/number_text.h"
#include "core/figure/tile_items.h"
#include "core/figure/token_axis.h"

namespace headroom {
namespace {

constexpr double kLargestCell = 64, kPrintedCell = 34;
constexpr double kDiagonal = 0.7071067811865476;

class Heatmap {
 public:
  Heatmap(Canvas& canvas, const HeadPicture& view) : canvas_(canvas), view_(view), snapshot_(*canvas.input().snapshot) {}

  void draw() {
    choose_window();
    // The range is needed for the legend, whose height is needed for the tile: its place comes last.
    tile_ = make_tile(canvas_.input(), view_.head, view_.area, window_);
    is_sampled_ = set_value_range(tile_, snapshot_) == Sampling::kSampled;
    make_legend();
    place();
    draw_tile();
    draw_emphasis();
    draw_labels();
    lay_out_legend(canvas_, legend_, legend_area_, LegendPass::kDraw);
  }

 private:
  void choose_window() {
    window_ = window_of(canvas_.input().session.view, std::ssize(snapshot_.tokens));
  }

  void make_legend() {
    legend_ = legend_of(tile_);
    const std::int64_t n = std::ssize(snapshot_.tokens);
    if (window_.row_end - window_.row_begin < n) {
      legend_.sentences.push_back("Queries " + std::to_string(window_.row_begin) + " to " + std::to_string(window_.row_end - 1) +
                                  ", keys " + std::to_string(window_.col_begin) + " to " + std::to_string(window_.col_end - 1) +
                                  " of " + count_text(n) + ".");
    }
    const TileRequest& r = tile_.request;
    if (r.rows < r.row_end - r.row_begin) {
      legend_.sentences.push_back(std::string("Each cell shows the ") + (r.pooling == Pooling::kMax ? "largest" : "mean") +
                                  " of the pairs that it covers.");
    }
    if (is_sampled_) legend_.sentences.push_back("The range is of sampled rows.");
    legend_.sentences.push_back("Rows: the token that looks (query). Columns: the token looked at (key).");
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
    return {snapshot_.tokens, window_.row_begin, window_.row_end, square_.y, square_.h, square_.x, row_room_, emphasised_rows()};
  }
  TokenAxis column_axis() const {
    return {snapshot_.tokens, window_.col_begin, window_.col_end, square_.x, square_.w, square_.y, column_room_, emphasised_cols()};
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
    const double room = std::min(area.w - left - right, area.h - top - legend_height - 16);
    const double n = static_cast<double>(window_.row_end - window_.row_begin);
    double side = std::max(8.0, std::min(room, kLargestCell * n));
    const double cell = side / n;
    if (cell >= 4) side = std::floor(cell) * n;  // cells of whole pixels
    side = std::floor(side);
    const double lead = std::floor(std::clamp((area.w - left - side - right) / 2, 0.0, area.w / 4));
    square_ = {area.x + lead + left, area.y + top, side, side};
    const double limit = std::max(60.0, area.h / 4);
    legend_area_ = {area.x + lead, square_.y + square_.h + 16, area.w - lead, limit};
    if (lay_out_legend(canvas_, legend_, legend_area_, LegendPass::kMeasure) > legend_height) {
      legend_area_ = {area.x, legend_area_.y, area.w, limit};
    }
  }

  void draw_tile() {
    tile_.rect = square_;
    const AttentionTile asked = make_tile(canvas_.input(), view_.head, square_, window_);
    tile_.request = asked.request;
    tile_.shows_grid = true;
    canvas_.add(tile_);
    canvas_.cells({.rect = square_, .request = tile_.request, .opens_head = false});
    if (cell_side() >= kPrintedCell) print_values();
  }
  double cell_side() const { return square_.w / static_cast<double>(window_.row_end - window_.row_begin); }

  void print_values() {
    const Tile values = evaluate_tile(*snapshot_.trace, tile_.request);
    if (values.is_pruned) return;
    const bool is_scores = tile_.request.quantity == Quantity::kScores;
    for (std::int64_t r = 0; r < tile_.request.rows; ++r) {
      const ValueRange row = row_range(tile_, values, r);
      for (std::int64_t c = 0; c < tile_.request.cols; ++c) {
        const float value = values.values[static_cast<std::size_t>(r * tile_.request.cols + c)];
        if (std::isnan(value) || is_left_out(tile_, c)) continue;
        const Color fill = colormap_color(tile_.colormap, color_share(tile_, value, row));
        TextStyle style = canvas_.mono();
        style.anchor = Anchor::kCentre;
        style.color = text_over(canvas_.theme(), fill);
        const double cell = cell_side();
        canvas_.text({square_.x + (static_cast<double>(c) + 0.5) * cell, square_.y + (static_cast<double>(r) + 0.5) * cell},
                     fixed(value, is_scores ? 1 : 2), style, cell - 2);
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
    const double cell = cell_side();
    if (line.row && *line.row >= window_.row_begin && *line.row < window_.row_end) {
      const double y = square_.y + static_cast<double>(*line.row - window_.row_begin) * cell;
      canvas_.outline({square_.x - 1, y - 1, square_.w + 2, cell + 2}, line.color, line.width, cell >= 12 ? 2 : 0);
    }
    if (line.col && *line.col >= window_.col_begin && *line.col < window_.col_end) {
      const double x = square_.x + static_cast<double>(*line.col - window_.col_begin) * cell;
      canvas_.outline({x - 1, square_.y - 1, cell + 2, square_.h + 2}, line.color, line.width, cell >= 12 ? 2 : 0);
    }
  }

  void draw_emphasis() {
    const Theme& theme = canvas_.theme();
    outline({canvas_.input().hovered_query, canvas_.input().hovered_key, with_alpha(theme.text, 0.45), 1});
    const double width = cell_side() >= 12 ? 2 : 1;
    if (view_.query && view_.key) {
      outline({view_.query, view_.key, with_alpha(theme.accent, 0.6), 1});
      const double cell = cell_side();
      const std::int64_t r = *view_.query - window_.row_begin, c = *view_.key - window_.col_begin;
      const std::int64_t shown = window_.row_end - window_.row_begin;
      if (r < 0 || c < 0 || r >= shown || c >= shown) return;
      canvas_.outline(
          {square_.x + static_cast<double>(c) * cell - 2, square_.y + static_cast<double>(r) * cell - 2, cell + 4, cell + 4},
          theme.accent, 2, cell >= 12 ? 3 : 0);
      return;
    }
    outline({view_.query, {}, theme.accent, width});
  }

  void draw_labels() {
    const TokenAxis rows = row_axis(), cols = column_axis();
    draw_row_labels(canvas_, rows);
    draw_column_labels(canvas_, cols);
    for (const std::int64_t token : labelled_tokens(rows, kRowLabelPitch)) {
      const double middle = square_.y + (static_cast<double>(token - window_.row_begin) + 0.5) * cell_side();
      const double height = std::max(cell_side(), kRowLabelPitch);
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

  Canvas& canvas_;
  HeadPicture view_;
  const Snapshot& snapshot_;
  TokenWindow window_;
  AttentionTile tile_;
  bool is_sampled_ = false;
  Legend legend_;
  Rect square_, legend_area_;
  double row_room_ = 0, column_room_ = 0;
};

}  // namespace

void draw_heatmap(Canvas& canvas, const HeadPicture& view) { Heatmap(canvas, view).draw(); }

}  // namespace headroom
