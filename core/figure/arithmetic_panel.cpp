#include "core/figure/arithmetic_panel.h"

#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"
#include "core/figure/stored_cell.h"
#include "core/session/on_demand.h"

namespace headroom {
namespace {

constexpr double kLabelWidth = 28, kNumberHeight = 52;

/// Values of one kind, a bar a dimension, around a zero line.
struct Bars {
  const char* label;
  std::vector<double> values;
  Color positive, negative;
};

class ArithmeticPanel {
 public:
  ArithmeticPanel(Canvas& canvas, const Rect& area, const CellRef& cell)
      : canvas_(canvas),
        area_(area),
        cell_(cell),
        snapshot_(*canvas.input().snapshot),
        math_(explain_cell(*snapshot_.trace, cell.head.layer, cell.head.head, cell.query, cell.key)) {
    if (math_.v.empty()) math_.v = value_of_key();
  }

  double draw() {
    const auto n_lines = math_.is_visible ? 5.0 : 3.0;
    const double lines = n_lines * kLine + 8;
    double left = area_.h - kLine - lines;  // what bars may use
    const double product_height = left >= 56 ? std::min(72.0, left - 8) : 0;
    left -= product_height > 0 ? product_height + 8 : 0;
    const double pitch = bar_pitch();
    const bool has_numbers = product_height > 0 && pitch >= 14 && math_.decimals <= 4 && left >= kNumberHeight;
    left -= has_numbers ? kNumberHeight : 0;
    const bool has_q_and_k = product_height > 0 && left >= 88;
    left -= has_q_and_k ? 88 : 0;
    const bool has_value = math_.is_visible && left >= 48 && !math_.v.empty();

    const Theme& theme = canvas_.theme();
    draw_pair();
    if (has_q_and_k) {
      bars({"q", {math_.q.begin(), math_.q.end()}, theme.q, theme.q}, 36);
      bars({"k", {math_.k.begin(), math_.k.end()}, theme.k, theme.k}, 36);
    }
    if (product_height > 0) {
      bars({"q·k", math_.products, diverging_color(theme, 1), diverging_color(theme, -1)}, product_height);
      if (has_numbers) numbers();
      dimension_hits(product_height + (has_numbers ? kNumberHeight : 0));
    }
    y_ += 4;
    steps();
    if (has_value) value();
    return y_ - area_.y;
  }

 private:
  /// A long text's trace keeps no v: that of one token is computed when it is looked at.
  std::vector<float> value_of_key() const {
    const LayerTrace& block = snapshot_.trace->layers.at(static_cast<std::size_t>(cell_.head.layer));
    const std::vector<float> all = token_values(snapshot_, cell_.head.layer, cell_.key);
    const std::int64_t kv = block.kv_head_of.at(static_cast<std::size_t>(block.index_of(cell_.head.head)));
    if (std::ssize(all) < (kv + 1) * block.d_head) return {};
    return {all.begin() + kv * block.d_head, all.begin() + (kv + 1) * block.d_head};
  }

  double bar_pitch() const {
    return (area_.w - kLabelWidth) / static_cast<double>(std::max<std::size_t>(1, math_.products.size()));
  }

  std::string query() const { return display_token(snapshot_.tokens[static_cast<std::size_t>(cell_.query)]); }
  std::string key() const { return display_token(snapshot_.keys()[static_cast<std::size_t>(cell_.key)]); }

  /// "query was → key cat", in the colours of q and k.
  void draw_pair() {
    const Theme& theme = canvas_.theme();
    const double middle = y_ + kLine / 2;
    TextStyle mono = canvas_.mono();
    double x = area_.x;
    const double words = canvas_.width("query", canvas_.small()) + canvas_.width("key", canvas_.small());
    const double room = std::max(8.0, (area_.w - words - 2 * 14 - 3 * 8 - 8) / 2);
    const auto part = [&](const char* word, const std::string& token, Color color) {
      canvas_.fill({x, middle - 4, 8, 8}, color, 2);
      x += 14;
      x += canvas_.text({x, middle}, word, canvas_.small()) + 6;
      x += canvas_.text({x, middle}, token, mono, room) + 12;
    };
    part("query", query(), theme.q);
    part("key", key(), theme.k);
    y_ += kLine;
  }

  void bars(const Bars& bars, double height) {
    const Theme& theme = canvas_.theme();
    double highest = 0, lowest = 0;
    for (const double value : bars.values) {
      highest = std::max(highest, value);
      lowest = std::min(lowest, value);
    }
    const double x = area_.x + kLabelWidth, w = area_.w - kLabelWidth, pitch = bar_pitch();
    const double unit = highest > lowest ? (height - 2) / (highest - lowest) : 0;
    const double zero = std::round(y_ + 1 + highest * unit);
    canvas_.text({area_.x, std::clamp(zero, y_ + kSmallLine / 2, y_ + height - kSmallLine / 2)}, bars.label, canvas_.small());
    const double gap = pitch >= 6 ? 2 : pitch >= 3 ? 1 : 0;
    for (std::size_t c = 0; c < bars.values.size(); ++c) {
      const double value = bars.values[c], length = std::abs(value) * unit;
      const double left = x + static_cast<double>(c) * pitch;
      canvas_.fill({left, value > 0 ? zero - length : zero, pitch - gap, length}, value > 0 ? bars.positive : bars.negative);
    }
    canvas_.line({x, zero}, {x + w, zero}, theme.border);
    y_ += height + 8;
  }

  /// The products in print, upright under their bars.
  void numbers() {
    const double pitch = bar_pitch(), x = area_.x + kLabelWidth;
    y_ -= 4;
    for (std::size_t c = 0; c < math_.products.size(); ++c) {
      canvas_.add(TextRun{.at = {x + (static_cast<double>(c) + 0.5) * pitch - 1, y_},
                          .text = fixed(math_.products[c], math_.decimals),
                          .face = FontFace::kMono,
                          .size = kSmallTextSize,
                          .color = canvas_.theme().text_dim,
                          .anchor = Anchor::kRight,
                          .angle = 90,
                          .max_width = 0});
    }
    y_ += kNumberHeight + 4;
  }

  /// Under the pointer, each dimension says its numbers.
  void dimension_hits(double height) {
    const double pitch = bar_pitch(), x = area_.x + kLabelWidth;
    for (std::size_t c = 0; c < math_.products.size(); ++c) {
      canvas_.hit({.shape = {x + static_cast<double>(c) * pitch, y_ - height - 8, pitch, height},
                   .tooltip = "dimension " + std::to_string(c) + "\nq " + fixed(math_.q[c], 4) + "\nk " + fixed(math_.k[c], 4) +
                              "\nq·k " + fixed(math_.products[c], math_.decimals),
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = "dimension " + std::to_string(c)});
    }
  }

  struct Step {
    std::string label, value;
  };
  static std::string small_text(double value, int decimals) {
    return value != 0 && value < 0.01 ? compact(value, 3) : fixed(value, decimals);
  }
  std::string probability() const {
    return math_.probability != 0 && math_.probability < 0.0005 ? compact(math_.probability, 2) : fixed(math_.probability, 3);
  }
  void step(const Step& step, Color color) {
    TextStyle label = canvas_.small(), number = canvas_.mono();
    label.color = color;
    number.anchor = Anchor::kRight;
    const double middle = y_ + kLine / 2;
    const double used = canvas_.text({area_.x + area_.w, middle}, step.value, number);
    canvas_.text({area_.x, middle}, step.label, label, area_.w - used - 8);
    y_ += kLine;
  }

  void steps() {
    const Theme& theme = canvas_.theme();
    const int d = math_.decimals;
    const std::string n = std::to_string(math_.products.size());
    step({"sum of q·k over " + n + " dimensions", fixed(math_.sum, d)}, theme.text_dim);
    const bool is_usual = math_.scale == rounded(1 / std::sqrt(static_cast<double>(math_.products.size())), d + 1);
    step({"× " + fixed(math_.scale, d + 1) + (is_usual ? " (1/√" + n + ")" : " (the model's own)") + " = score, nats",
          fixed(math_.score, d)},
         theme.text_dim);
    if (math_.soft_cap > 0) {
      const std::string cap = fixed(math_.soft_cap, 0);
      step({"capped: " + cap + " × tanh(score / " + cap + ")", fixed(math_.capped, d)}, theme.text_dim);
    }
    if (math_.has_bias)
      step({(math_.bias < 0 ? "− " : "+ ") + fixed(std::abs(math_.bias), d) + " (bias for the distance)", fixed(math_.biased, d)},
           theme.text_dim);
    if (!math_.is_visible) {
      canvas_.text({area_.x, y_ + kLine / 2}, "masked: this query may not see this key", canvas_.small(), area_.w);
      y_ += kLine;
      return;
    }
    step({"− " + fixed(math_.row_max, d) + " (the row's maximum)", fixed(math_.shifted, d)}, theme.text_dim);
    step({"exp(" + fixed(math_.shifted, d) + ")", small_text(math_.exponential, d)}, theme.text_dim);
    canvas_.line({area_.x, y_}, {area_.x + area_.w, y_}, theme.border);
    y_ += 4;
    const std::string divided = "÷ " + fixed(math_.exp_sum, d), whole = divided + " (the row's sum) = probability";
    const double room = area_.w - canvas_.width(probability(), canvas_.mono()) - 8;
    step({canvas_.width(whole, canvas_.small()) <= room ? whole : divided + " = probability", probability()}, theme.text);
    y_ += 4;
  }

  /// What the probability does: it weighs the key's value vector.
  void value() {
    const double height = 14, x = area_.x, w = area_.w;
    y_ += 4;
    canvas_.fill({x, y_ + kSmallLine / 2 - 4, 8, 8}, canvas_.theme().v, 2);
    canvas_.text({x + 14, y_ + kSmallLine / 2}, "adds " + probability() + " × v of " + key(), canvas_.small(), w - 14);
    y_ += kSmallLine + 4;
    double largest = 0;
    for (const float c : math_.v)
      largest = std::max(largest, static_cast<double>(std::abs(c)));
    const double pitch = w / static_cast<double>(math_.v.size());
    for (std::size_t c = 0; c < math_.v.size(); ++c)
      canvas_.fill({x + static_cast<double>(c) * pitch, y_, pitch, height},
                   diverging_color(canvas_.theme(), largest > 0 ? math_.v[c] / largest : 0));
    canvas_.hit({.shape = {x, y_, w, height},
                 .tooltip = "value vector of " + key() + "\nits largest entry is " + fixed(largest, 3),
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "value"});
    y_ += height + 4;
  }

  Canvas& canvas_;
  Rect area_;
  CellRef cell_;
  const Snapshot& snapshot_;
  CellArithmetic math_;
  double y_ = area_.y;
};

}  // namespace

double draw_arithmetic(Canvas& canvas, const Rect& area, const CellRef& cell) {
  if (is_stored(*canvas.input().snapshot, cell.head.layer)) return draw_stored_cell(canvas, area, cell);
  return ArithmeticPanel(canvas, area, cell).draw();
}

}  // namespace headroom
