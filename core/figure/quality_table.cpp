#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"
#include "core/figure/quality_panels.h"

namespace headroom {
namespace {

constexpr double kMarkerRoom = 18, kColumnGap = 14;

/// In the order of drawing; where room is short those with the highest rank go first.
struct Column {
  const char* title;
  int rank;
  std::string (*text)(const QualityReport&, const QualityPoint&);
  const char* tooltip;
};
std::string change_text(const QualityReport& report, const QualityPoint& point) {
  const std::string change = signed_fixed(point.loss - report.full.loss, 4);
  return point.loss_error > 0 ? change + " ± " + fixed(point.loss_error, 4) : change;
}
std::string bytes_text(const QualityReport& report, const QualityPoint& point) {
  const double bytes = bytes_a_token(report, point);
  return bytes < 1000 ? compact(bytes, 4) : count_text(std::llround(bytes));
}
/// What is left of rounding is not shown as if it said something.
std::string divergence_text(const QualityReport&, const QualityPoint& point) {
  constexpr double kRounding = 1e-9;
  return point.kl > 0 && point.kl < kRounding ? "< 1e−9" : compact(point.kl, 2);
}
const std::array<Column, 6>& columns() {
  static const std::array<Column, 6> all{
      {{"B a token", 0, bytes_text, "Bytes of keys and values held at the end of a row, for each of its tokens: counted."},
       {"of full", 4, [](const QualityReport&, const QualityPoint& point) { return percent_text(point.share_of_full); },
        "Share of the bytes that all tokens take in float32: counted."},
       {"loss", 3, [](const QualityReport&, const QualityPoint& point) { return fixed(point.loss, 4); },
        "How surprised the model is by each next token, in nats, mean: measured."},
       {"change", 1, change_text,
        "Loss less that of the full cache, ± its standard error over the rows, in nats a token: measured. Smaller than twice the "
        "error is as good as nothing."},
       {"other word", 2, [](const QualityReport&, const QualityPoint& point) { return percent_text(point.changed); },
        "Tokens after which another one is the most probable than with the full cache: measured. Text that is written would part "
        "from it there."},
       {"KL", 5, divergence_text,
        "How far the probabilities are from the full cache's, in nats a token, mean (Kullback-Leibler divergence): measured."}}};
  return all;
}

/// Widths of the columns that have room; 0: left out.
std::array<double, 6> widths_of(const Canvas& canvas, const QualityReport& report, double room) {
  std::array<double, 6> widths{};
  const TextStyle head = canvas.faint(), number = canvas.mono();
  for (std::size_t i = 0; i < widths.size(); ++i) {
    widths[i] = canvas.width(columns()[i].title, head);
    for (const QualityPoint& point : report.points)
      widths[i] = std::max(widths[i], canvas.width(columns()[i].text(report, point), number));
    widths[i] += kColumnGap;
  }
  for (int rank = 5; rank >= 0; --rank) {
    double sum = 0;
    for (const double width : widths)
      sum += width;
    if (sum <= room) break;
    for (std::size_t i = 0; i < widths.size(); ++i)
      if (columns()[i].rank == rank) widths[i] = 0;
  }
  return widths;
}

std::string words_of(const QualityPoint& point, const QualityReport& report) {
  return &point == &report.full ? "all tokens, float32" : quality_choice_text(point.choice);
}

double choice_width(const Canvas& canvas, const QualityReport& report) {
  double width = canvas.width("all tokens, float32", canvas.small());
  for (const QualityPoint& point : report.points)
    width = std::max(width, canvas.width(quality_choice_text(point.choice), canvas.small()));
  return kMarkerRoom + width;
}

class Table {
 public:
  Table(Canvas& canvas, const Rect& area, const QualityReport& report) : canvas_(canvas), area_(area), report_(report) {
    choice_w_ = std::min(choice_width(canvas, report), area.w * 0.5);
    widths_ = widths_of(canvas, report, area.w - choice_w_);
  }

  void draw() {
    y_ = area_.y;
    draw_head();
    std::vector<const QualityPoint*> rows{&report_.full};
    for (const QualityPoint& point : report_.points)
      rows.push_back(&point);
    const double bottom = area_.y + area_.h;
    // A little room between curves, where there is some.
    std::size_t n_curves = 0;
    for (std::size_t i = 1; i < rows.size(); ++i)
      n_curves += starts_curve(rows, i) ? 1 : 0;
    const double spare = bottom - y_ - kSmallLine * static_cast<double>(rows.size());
    const double between = n_curves == 0 ? 0 : std::clamp(std::floor(spare / static_cast<double>(n_curves)), 0.0, 6.0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::size_t left = rows.size() - i;
      if (left > 1 && y_ + 2 * kSmallLine > bottom) {
        canvas_.text({area_.x + kMarkerRoom, y_ + kSmallLine / 2}, "and " + count_text(static_cast<std::int64_t>(left)) + " more",
                     canvas_.faint(), area_.w - kMarkerRoom);
        return;
      }
      if (i > 0 && starts_curve(rows, i)) y_ += between;
      if (y_ + kSmallLine > bottom) return;
      draw_row(*rows[i]);
    }
  }

 private:
  bool starts_curve(const std::vector<const QualityPoint*>& rows, std::size_t i) const {
    return i == 1 || rows[i]->choice.curve != rows[i - 1]->choice.curve;
  }

  void draw_head() {
    TextStyle head = canvas_.faint();
    const TextStyle title{.color = canvas_.theme().text_dim, .size = kSmallTextSize, .face = FontFace::kSansMedium};
    canvas_.text({area_.x, y_ + kSmallLine / 2}, "WHAT IS KEPT", title, choice_w_);
    head.anchor = Anchor::kRight;
    double x = area_.x + choice_w_;
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      if (widths_[i] == 0) continue;
      x += widths_[i];
      canvas_.text({x, y_ + kSmallLine / 2}, columns()[i].title, head);
      canvas_.hit({.shape = {x - widths_[i], y_, widths_[i], kSmallLine},
                   .tooltip = std::string(columns()[i].title) + "\n" + columns()[i].tooltip,
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = std::string("quality/column ") + columns()[i].title});
    }
    y_ += kSmallLine + 2;
    canvas_.line({area_.x, y_ - 1}, {area_.x + area_.w, y_ - 1}, canvas_.theme().border);
  }

  void draw_row(const QualityPoint& point) {
    const double middle = y_ + kSmallLine / 2;
    const bool is_full = &point == &report_.full;
    TextStyle number = canvas_.mono(), words = canvas_.small();
    number.anchor = Anchor::kRight;
    if (is_full) {
      words.color = canvas_.theme().text;
      canvas_.add(Polyline{.points = {{area_.x, middle}, {area_.x + 12, middle}},
                           .color = canvas_.theme().text,
                           .width = 1.25,
                           .is_closed = false,
                           .fill = {},
                           .dash = 4});
    } else {
      const QualitySign sign = quality_sign(canvas_.theme(), point.choice.curve);
      draw_marker(canvas_, {area_.x + 6, middle}, sign.marker, sign.color);
    }
    canvas_.text({area_.x + kMarkerRoom, middle}, words_of(point, report_), words, choice_w_ - kMarkerRoom);
    double x = area_.x + choice_w_;
    if (!point.problem.empty()) {
      TextStyle style = canvas_.small();
      style.color = canvas_.theme().warning;
      canvas_.text({x + kColumnGap, middle}, "not measured: " + point.problem, style, area_.x + area_.w - x - kColumnGap);
    } else {
      for (std::size_t i = 0; i < widths_.size(); ++i) {
        if (widths_[i] == 0) continue;
        x += widths_[i];
        canvas_.text({x, middle}, is_full && i >= 3 ? "–" : columns()[i].text(report_, point), number);
      }
    }
    canvas_.hit({.shape = {area_.x, y_, area_.w, kSmallLine},
                 .tooltip = quality_tooltip(report_, point),
                 .click = is_full ? std::nullopt : quality_click(canvas_.input().session, point),
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "quality/row " + words_of(point, report_) +
                         (is_full ? "" : std::string(" ") + quality_curve_name(point.choice.curve))});
    y_ += kSmallLine;
  }

  Canvas& canvas_;
  Rect area_;
  const QualityReport& report_;
  std::array<double, 6> widths_{};
  double choice_w_ = 0, y_ = 0;
};

}  // namespace

double quality_table_width(const Canvas& canvas, const Quality& quality) {
  double width = choice_width(canvas, *quality.report);
  for (const double column : widths_of(canvas, *quality.report, 1e9))
    width += column;
  return std::ceil(width);
}

void draw_quality_table(Canvas& canvas, const Rect& area, const Quality& quality) { Table(canvas, area, *quality.report).draw(); }

}  // namespace headroom
