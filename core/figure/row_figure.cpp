#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/figure/head_values.h"
#include "core/figure/number_text.h"
#include "core/figure/row_plot.h"
#include "core/figure/tile_items.h"
#include "core/figure/token_axis.h"

namespace headroom {
namespace {

constexpr double kDiagonal = 0.7071067811865476;

class RowPicture {
 public:
  RowPicture(const FigureInput& input, const HeadRef& head, std::int64_t query)
      : input_(input),
        snapshot_(*input.snapshot),
        head_(head),
        query_(query),
        n_(std::ssize(snapshot_.keys())),
        probabilities_(row_probabilities(snapshot_, head, query)),
        peak_(row_peak(*probabilities_, input.session.view.first_token)),
        canvas_(input, title()) {}

  Figure draw() {
    const double margin = input_.size.w >= 480 ? 16 : 4;
    area_ = {margin, margin, input_.size.w - 2 * margin, input_.size.h - 2 * margin};
    draw_title();
    const std::vector<std::int64_t> best = largest_keys();
    const double list = std::min(area_.h * 0.4, static_cast<double>(best.size() + 1) * kLine + 8);
    const double rows_of_list = std::floor((list - kLine - 8) / kLine);
    plot_area_ = {area_.x, area_.y, area_.w, area_.h - (rows_of_list >= 1 ? list + 12 : 0)};
    draw_plot();
    if (rows_of_list >= 1) draw_list(best, {area_.x, area_.y + area_.h - list, area_.w, list});
    return canvas_.take();
  }

 private:
  std::string token(std::int64_t index) const { return display_token(snapshot_.keys()[static_cast<std::size_t>(index)]); }
  std::string title() const {
    return "Layer " + std::to_string(head_.layer) + ", head " + std::to_string(head_.head) + ", row " + count_text(query_) + " " +
           display_token(snapshot_.tokens[static_cast<std::size_t>(query_)]);
  }

  void draw_title() {
    TextStyle name = canvas_.body();
    name.face = FontFace::kSansMedium;
    const double used = canvas_.text({area_.x, area_.y + kLine / 2}, title(), name, area_.w);
    std::string detail = "probability of each of " + count_text(n_) + " keys, after softmax";
    if (input_.session.view.first_token == FirstToken::kLeftOut) detail += " · the scale leaves out the first token";
    canvas_.parts({area_.x + used + 12, area_.y + kLine / 2}, detail, canvas_.faint(), area_.w - used - 12);
    area_.y += kLine + 8;
    area_.h -= kLine + 8;
  }

  /// The keys that are looked at most, the largest first.
  std::vector<std::int64_t> largest_keys() const {
    constexpr std::size_t kMost = 8;
    std::vector<std::int64_t> keys(probabilities_->size());
    std::iota(keys.begin(), keys.end(), 0);
    const auto p = [&](std::int64_t key) { return (*probabilities_)[static_cast<std::size_t>(key)]; };
    std::erase_if(keys, [&](std::int64_t key) { return std::isnan(p(key)); });
    const auto n = static_cast<std::ptrdiff_t>(std::min(kMost, keys.size()));
    std::partial_sort(keys.begin(), keys.begin() + n, keys.end(),
                      [&](std::int64_t a, std::int64_t b) { return p(a) != p(b) ? p(a) > p(b) : a < b; });
    keys.resize(static_cast<std::size_t>(n));
    return keys;
  }

  void draw_plot() {
    TextStyle number = canvas_.faint();
    number.anchor = Anchor::kRight;
    const double left =
        std::ceil(std::max(canvas_.width(probability_text(peak_.probability), number), canvas_.width("0", number))) + 8;
    std::vector<std::int64_t> emphasised;
    if (input_.hovered_key) emphasised.push_back(*input_.hovered_key);
    if (input_.session.view.key) emphasised.push_back(*input_.session.view.key);
    TokenAxis axis{snapshot_.keys(), 0, n_, 0, 0, 0, 0, emphasised, labels_for(n_)};
    axis.room = label_room(canvas_, axis, std::clamp(plot_area_.h * 0.3, 24.0, 112.0));
    const double lean = std::ceil(axis.room * kDiagonal) + 16;
    const double caption = kSmallLine + 4;
    RowPlot plot{.rect = {plot_area_.x + left, plot_area_.y + lean, plot_area_.w - left - lean, plot_area_.h - lean - caption},
                 .head = head_,
                 .query = query_,
                 .begin = 0,
                 .end = n_,
                 .probabilities = *probabilities_,
                 .largest = peak_.probability,
                 .scale = input_.session.view.scale,
                 .key = input_.session.view.key,
                 .hovered_key = input_.hovered_key};
    // Bars of a few keys need not be as wide as the page.
    constexpr double kWidestBar = 64;
    plot.rect.w = std::floor(std::min(plot.rect.w, kWidestBar * static_cast<double>(n_)));
    plot.rect.h = std::floor(plot.rect.h);
    if (plot.rect.w < 16 || plot.rect.h < 16) return;
    axis.start = plot.rect.x;
    axis.length = plot.rect.w;
    axis.edge = plot.rect.y;
    draw_column_labels(canvas_, axis);
    draw_row_plot(canvas_, plot);
    canvas_.text({plot.rect.x - 8, plot.rect.y + kSmallLine / 2}, probability_text(peak_.probability), number);
    const bool is_log = plot.scale == ColorScale::kLog;
    const bool has_room = plot.rect.h >= 2 * kSmallLine;  // for both ends of the axis
    if (!is_log && has_room) canvas_.text({plot.rect.x - 8, plot.rect.y + plot.rect.h - kSmallLine / 2}, "0", number);
    std::string text = "Keys from left to right; grey: masked.";
    if (is_log) text = "Logarithmic: the bottom is " + compact(peak_.probability * kLogFloor, 1) + " or less. " + text;
    if (const std::int64_t pooled = keys_a_bar(plot); pooled > 1)
      text = "Each bar is the largest of up to " + count_text(pooled) + " keys. " + text;
    canvas_.text({plot.rect.x, plot.rect.y + plot.rect.h + kSmallLine / 2 + 4}, text, canvas_.faint(),
                 area_.x + area_.w - plot.rect.x);
  }

  void draw_list(const std::vector<std::int64_t>& keys, const Rect& area) {
    double sum = 0;
    for (const std::int64_t key : keys)
      sum += (*probabilities_)[static_cast<std::size_t>(key)];
    canvas_.panel_title({area.x, area.y}, "LARGEST", std::to_string(keys.size()) + " keys, together " + percent_text(sum), area.w);
    double y = area.y + kLine + 8;
    TextStyle number = canvas_.mono();
    number.anchor = Anchor::kRight;
    const double index = std::ceil(canvas_.width(count_text(n_ - 1), number)), value = 72;
    for (const std::int64_t key : keys) {
      if (y + kLine > area.y + area.h + 0.5) break;
      const double p = (*probabilities_)[static_cast<std::size_t>(key)], middle = y + kLine / 2;
      canvas_.text({area.x + index, middle}, count_text(key), number);
      canvas_.text({area.x + index + 12, middle}, token(key), token_style(canvas_), 144);
      canvas_.text({area.x + index + 168 + value, middle}, probability_text(p), number);
      const double bar = area.w - index - 168 - value - 12;
      if (bar >= 24 && peak_.probability > 0) {
        canvas_.bar({area.x + area.w - bar, middle - 3, bar, 6}, std::min(1.0, p / peak_.probability), canvas_.theme().attention);
      }
      canvas_.hit({.shape = {area.x, y, area.w, kLine},
                   .tooltip = "key " + count_text(key) + " " + token(key) + "\nclick chooses this cell",
                   .click = CellSelected{query_, key},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "key " + std::to_string(key)});
      y += kLine;
    }
  }

  const FigureInput& input_;
  const Snapshot& snapshot_;
  HeadRef head_;
  std::int64_t query_ = 0, n_ = 0;  ///< n_ keys
  std::shared_ptr<const std::vector<float>> probabilities_;
  RowPeak peak_;
  Canvas canvas_;
  Rect area_, plot_area_;
};

}  // namespace

Figure row_figure(const FigureInput& input) {
  const std::string title = "One row of attention";
  if (!has_trace(input)) {
    return message_figure(input, title,
                          {"No picture yet", "Type a sentence: the chosen row will show here which keys it looks at."});
  }
  const View& view = input.session.view;
  if (!view.head || !exists(*input.snapshot, *view.head)) {
    return message_figure(input, title, {"No head is chosen", "Click a head among all heads (key 1), then a row in it."});
  }
  const auto n = std::ssize(input.snapshot->tokens);
  if (!view.query || *view.query < 0 || *view.query >= n) {
    return message_figure(input, title,
                          {"No row is chosen", "Click a token beside the head's picture: one row is what it looks at."});
  }
  if (is_pruned_in(*input.snapshot, *view.head)) {
    if (input.snapshot->capture)
      return message_figure(input, title, {"This head is not in the capture", "Nothing is known of it."});
    return message_figure(input, title, {"This head is pruned", "It is removed from the model and looks at nothing."});
  }
  return RowPicture(input, *view.head, *view.query).draw();
}

}  // namespace headroom
