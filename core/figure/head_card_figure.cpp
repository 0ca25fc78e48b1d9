#include <algorithm>
#include <cmath>

#include "core/figure/canvas.h"
#include "core/figure/legend.h"
#include "core/figure/number_text.h"
#include "core/figure/tile_items.h"
#include "core/figure/token_axis.h"

namespace headroom {
namespace {

constexpr double kDiagonal = 0.7071067811865476;

class HeadCard {
 public:
  HeadCard(const FigureInput& input, const HeadRef& head)
      : input_(input),
        head_(head),
        snapshot_(*input.snapshot),
        canvas_(input, "Layer " + std::to_string(head.layer) + ", head " + std::to_string(head.head)),
        metrics_(snapshot_.heads[static_cast<std::size_t>(head.layer)][static_cast<std::size_t>(head.head)]) {}

  Figure draw() {
    const double w = input_.size.w;
    y_ = 0;
    if (metrics_.is_pruned || is_pruned_in(snapshot_, head_)) {
      y_ += canvas_.paragraph({0, y_, w, 0}, why_absent(snapshot_) + (snapshot_.capture ? "" : ", it computes nothing"),
                              canvas_.small(), 2) +
            8;
      const double side = std::max(16.0, std::min(w, input_.size.h - y_));
      const Rect square{0, y_, w, std::min(side, 96.0)};
      canvas_.fill(square, mix(canvas_.theme().panel, canvas_.theme().masked, 0.6));
      canvas_.add(Hatch{.rect = square, .color = with_alpha(canvas_.theme().text_faint, 0.55), .spacing = 8});
      canvas_.set_height(std::min(input_.size.h, square.y + square.h));
      return canvas_.take();
    }
    y_ += canvas_.paragraph({0, y_, w, 0}, summary(), canvas_.small(), 2) + 8;
    const double patterns = kSmallLine + 8 + static_cast<double>(kHeadPatterns.size() + 1) * kLine + kSmallLine + 4;
    const double room = input_.size.h - y_ - patterns - 12;
    if (room >= 72) draw_heatmap({0, y_, w, room});
    draw_patterns();
    canvas_.set_height(std::min(input_.size.h, y_));
    return canvas_.take();
  }

 private:
  std::string summary() const {
    if (!snapshot_.key_tokens.empty()) return "each token of the target looks at the source";
    if (!metrics_.has_pattern) return "no clear pattern on this sentence";
    switch (metrics_.strongest) {
      case HeadPattern::kPreviousToken:
        return "each token looks at the one before it";
      case HeadPattern::kFirstToken:
        return "attention rests on the first token";
      case HeadPattern::kSelf:
        return "each token looks at itself";
      case HeadPattern::kBroadcast:
        return "one and the same token draws all queries";
    }
    return {};
  }

  void draw_heatmap(const Rect& area) {
    const HeadSize size(snapshot_);
    const View& view = input_.session.view;
    std::vector<std::int64_t> rows, cols;
    if (input_.hovered_query) rows.push_back(*input_.hovered_query);
    if (view.query) rows.push_back(*view.query);
    if (input_.hovered_key) cols.push_back(*input_.hovered_key);
    if (view.key) cols.push_back(*view.key);
    TokenAxis row_axis{snapshot_.tokens, 0, size.queries, 0, 0, 0, 0, rows, labels_for(size.queries)};
    TokenAxis col_axis{snapshot_.keys(), 0, size.keys, 0, 0, 0, 0, cols, labels_for(size.keys)};
    row_axis.room = label_room(canvas_, row_axis, std::clamp(area.w * 0.24, 24.0, 80.0));
    col_axis.room = label_room(canvas_, col_axis, std::clamp(area.w * 0.2, 24.0, 64.0));
    const double left = row_axis.room + 12, lean = std::ceil(col_axis.room * kDiagonal) + 12;
    const double keys = static_cast<double>(size.keys), queries = static_cast<double>(size.queries);
    double width = std::min(area.w - left - 8, 320.0);
    // The last column's label leans out; labels near the right end may need the tile to be narrower.
    width = std::min(width, area.w - left - std::max(0.0, lean - width / keys / 2));
    double cell = std::min(width / keys, std::min(area.h - lean - 4, 320.0) / queries);
    if (cell >= 4) cell = std::floor(cell);
    const auto side_of = [&](double n) { return std::max(8.0, std::floor(cell * n)); };
    const Rect square{area.x + left, area.y + lean, side_of(keys), side_of(queries)};
    AttentionTile tile = make_overview_tile(input_, head_, square);
    set_value_range(tile, snapshot_);
    tile.shows_grid = true;
    canvas_.add(tile);
    canvas_.cells({.rect = square, .request = tile.request, .opens_head = false});
    if (view.query && *view.query >= 0 && *view.query < size.queries) {
      const double pitch = square.h / queries;
      canvas_.outline({square.x - 1, square.y + static_cast<double>(*view.query) * pitch - 1, square.w + 2, pitch + 2},
                      canvas_.theme().accent, pitch >= 8 ? 2 : 1, 2);
    }
    row_axis.start = square.y;
    row_axis.length = square.h;
    row_axis.edge = square.x;
    col_axis.start = square.x;
    col_axis.length = square.w;
    col_axis.edge = square.y;
    draw_row_labels(canvas_, row_axis);
    draw_column_labels(canvas_, col_axis);
    y_ = square.y + square.h + 16;
  }

  void draw_entropy() {
    TextStyle number = canvas_.mono();
    number.anchor = Anchor::kRight;
    const double w = input_.size.w;
    const double used = canvas_.text({w, y_ + kLine / 2}, fixed(metrics_.entropy, 2) + " nats", number);
    canvas_.text({0, y_ + kLine / 2}, "entropy, " + fixed(metrics_.relative_entropy, 2) + " of the largest", canvas_.small(),
                 w - used - 8);
    y_ += kLine;
  }

  void draw_patterns() {
    const double w = input_.size.w;
    if (!snapshot_.key_tokens.empty()) {
      y_ += canvas_.panel_title({0, y_}, "MEASURED", "on this sentence", w) + 8;
      draw_entropy();
      y_ += 4 + canvas_.paragraph(
                    {0, y_ + 4, w, 0},
                    "The patterns are of a text that looks at itself (the token before, the first, the same one): between "
                    "two texts none is measured.",
                    canvas_.faint(), 4);
      return;
    }
    y_ += canvas_.panel_title({0, y_}, "MEASURED PATTERNS", "on this sentence", w) + 8;
    TextStyle label = canvas_.small(), number = canvas_.mono();
    number.anchor = Anchor::kRight;
    double label_width = 0;
    for (const HeadPattern pattern : kHeadPatterns)
      label_width = std::max(label_width, canvas_.width(pattern_name(pattern), label));
    const double number_width = canvas_.width("0.00", number), bar_x = label_width + 12,
                 bar_w = w - label_width - number_width - 24;
    for (const HeadPattern pattern : kHeadPatterns) {
      const double score = metrics_.scores[static_cast<std::size_t>(pattern)], middle = y_ + kLine / 2;
      const bool is_named = metrics_.has_pattern && metrics_.strongest == pattern;
      label.color = is_named ? canvas_.theme().text : canvas_.theme().text_dim;
      canvas_.text({0, middle}, pattern_name(pattern), label, w - number_width - 8);
      if (bar_w >= 24) {
        canvas_.bar({bar_x, middle - 3, bar_w, 6}, score, canvas_.theme().accent);
        canvas_.fill({std::round(bar_x + bar_w * kPatternThreshold), middle - 6, 1.5, 12}, canvas_.theme().k);
      }
      canvas_.text({w, middle}, fixed(score, 2), number);
      canvas_.hit(
          {.shape = {0, y_, w, kLine},
           .tooltip = std::string(pattern_name(pattern)) + " " + fixed(score, 3) + "\n" + std::string(pattern_definition(pattern)),
           .click = {},
           .double_click = {},
           .ctrl_click = {},
           .name = "pattern " + std::string(pattern_name(pattern))});
      y_ += kLine;
    }
    draw_entropy();
    canvas_.fill({0, y_ + kSmallLine / 2 - 5, 1.5, 10}, canvas_.theme().k);
    canvas_.text({8, y_ + kSmallLine / 2}, "threshold " + fixed(kPatternThreshold, 2) + ": from here on a pattern names the head",
                 canvas_.faint(), w - 8);
    y_ += kSmallLine + 4;
  }

  const FigureInput& input_;
  HeadRef head_;
  const Snapshot& snapshot_;
  Canvas canvas_;
  const HeadMetrics& metrics_;
  double y_ = 0;
};

}  // namespace

Figure head_card_figure(const FigureInput& input) {
  const bool has_head = has_trace(input) && input.session.view.head && exists(*input.snapshot, *input.session.view.head) &&
                        static_cast<std::size_t>(input.session.view.head->layer) < input.snapshot->heads.size();
  if (!has_head) {
    return message_figure(input, "The chosen head",
                          {"No head is chosen", "Click a head: its heatmap and measured patterns show here."});
  }
  return HeadCard(input, *input.session.view.head).draw();
}

}  // namespace headroom
