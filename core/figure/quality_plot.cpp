#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"
#include "core/figure/plot_key.h"
#include "core/figure/quality_panels.h"
#include "core/figure/train_axis.h"

namespace headroom {
namespace {

constexpr std::array<QualityCurve, 6> kCurves{QualityCurve::kBits,         QualityCurve::kWindow,  QualityCurve::kStreaming,
                                              QualityCurve::kHeavyHitters, QualityCurve::kKvHeads, QualityCurve::kOther};

bool is_measured(const QualityPoint& point) { return point.problem.empty() && point.bytes > 0 && std::isfinite(point.loss); }

class QualityPlot {
 public:
  QualityPlot(Canvas& canvas, const Rect& area, const QualityReport& report) : canvas_(canvas), area_(area), report_(report) {}

  void draw() {
    double y = area_.y;
    y += canvas_.panel_title({area_.x, y}, "LOSS OVER BYTES", "nats a token, measured · lower is better", area_.w);
    const Rect below{area_.x, draw_key(y), area_.w, 0};
    const double height = area_.y + area_.h - below.y;
    if (height < 70 || !set_axes()) return;
    draw_axes({below.x, below.y, below.w, height});
    LabelPlacer placer({rect_.x, rect_.y - 8, rect_.w, rect_.h + 8});
    draw_full(placer);
    for (const QualityCurve curve : kCurves)
      draw_curve(curve, placer);
    draw_labels(placer);
  }

 private:
  std::vector<const QualityPoint*> points_of(QualityCurve curve) const {
    std::vector<const QualityPoint*> found;
    for (const QualityPoint& point : report_.points)
      if (point.choice.curve == curve && is_measured(point)) found.push_back(&point);
    std::ranges::stable_sort(found, {}, [](const QualityPoint* point) { return point->bytes; });
    return found;
  }

  double draw_key(double top) {
    PlotKey key(canvas_, {area_.x, top, area_.w, 0});
    for (const QualityCurve curve : kCurves) {
      if (points_of(curve).empty()) continue;
      const QualitySign sign = quality_sign(canvas_.theme(), curve);
      key.add(quality_curve_name(curve), {.kind = KeySign::Kind::kSolid, .color = sign.color, .marker = sign.marker, .width = 1.5},
              meaning(curve));
    }
    return key.bottom();
  }
  static const char* meaning(QualityCurve curve) {
    switch (curve) {
      case QualityCurve::kBits:
        return "All tokens are kept, each number of K and V in fewer bits.";
      case QualityCurve::kWindow:
        return "Only the newest tokens are kept. What is older cannot be looked at any more.";
      case QualityCurve::kStreaming:
        return "The first tokens are kept beside the newest: heads that find nothing rest on them (Xiao et al. 2023).";
      case QualityCurve::kHeavyHitters:
        return "Half of the budget are the newest tokens, half those that were given most probability so far (Zhang et al. 2023).";
      case QualityCurve::kKvHeads:
        return "K and V of neighbouring heads are averaged to fewer, without training on (Ainslie et al. 2023 train on).";
      case QualityCurve::kOther:
        return "The cache that the rail chooses now.";
    }
    return "";
  }

  bool set_axes() {
    std::vector<double> bytes{bytes_a_token(report_, report_.full)};
    double low = report_.full.loss, high = report_.full.loss;
    for (const QualityPoint& point : report_.points) {
      if (!is_measured(point)) continue;
      bytes.push_back(bytes_a_token(report_, point));
      low = std::min(low, point.loss);
      high = std::max(high, point.loss);
    }
    if (!std::isfinite(low) || !std::isfinite(high)) return false;
    x_ = axis_around(bytes);
    const double margin = std::max(0.08 * (high - low), 1e-3 * std::max(1.0, std::abs(high)));
    y_axis_ = {low - margin, high + margin};
    return true;
  }

  void draw_axes(const Rect& area) {
    const std::vector<double> ticks = round_ticks(y_axis_, std::clamp(static_cast<int>(area.h / 36), 2, 8));
    TextStyle style = canvas_.faint();
    double label = 0;
    for (const double tick : ticks)
      label = std::max(label, canvas_.width(tick_text(tick, ticks), style));
    constexpr double kHalfLine = 7, kBelow = 2 * kSmallLine + 4;
    rect_ = {area.x + label + 8, area.y + kHalfLine, std::max(16.0, area.w - label - 12),
             std::max(16.0, area.h - kHalfLine - kBelow)};
    const Color grid = mix(canvas_.theme().panel, canvas_.theme().border, 0.7);
    style.anchor = Anchor::kRight;
    for (const double tick : ticks) {
      const double y = y_of(tick);
      canvas_.line({rect_.x, y}, {rect_.x + rect_.w, y}, grid);
      canvas_.text({rect_.x - 6, y}, tick_text(tick, ticks), style, rect_.x - 6 - area.x);
    }
    style.anchor = Anchor::kCentre;
    double free_from = rect_.x - 16;
    const double bottom = rect_.y + rect_.h;
    for (const double tick : byte_ticks(x_)) {
      const double x = x_of(tick), half = canvas_.width(short_bytes_text(tick), style) / 2;
      canvas_.line({x, rect_.y}, {x, bottom}, grid);
      if (x - half < free_from || x + half > area.x + area.w) continue;
      canvas_.text({x, bottom + 4 + kSmallLine / 2}, short_bytes_text(tick), style);
      free_from = x + half + 8;
    }
    canvas_.line({rect_.x, bottom}, {rect_.x + rect_.w, bottom}, canvas_.theme().border);
    canvas_.line({rect_.x, rect_.y}, {rect_.x, bottom}, canvas_.theme().border);
    TextStyle title = canvas_.small();
    const std::string text = "bytes of K and V held for each token of a row, counted";
    const double w = std::min(canvas_.width(text, title), area.w);
    canvas_.parts({area.x + area.w - w, bottom + 4 + 1.5 * kSmallLine}, text, title, area.w);
  }

  double x_of(double bytes) const { return rect_.x + rect_.w * x_.share(bytes); }
  double y_of(double loss) const { return rect_.y + rect_.h * (1 - y_axis_.share(loss)); }
  Point at(const QualityPoint& point) const { return {x_of(bytes_a_token(report_, point)), y_of(point.loss)}; }

  void draw_full(LabelPlacer& placer) {
    const Theme& theme = canvas_.theme();
    const double y = y_of(report_.full.loss), right = rect_.x + rect_.w;
    canvas_.add(Polyline{
        .points = {{rect_.x, y}, {right, y}}, .color = theme.text, .width = 1.25, .is_closed = false, .fill = {}, .dash = 4});
    placer.block_line({rect_.x, y}, {right, y});
    TextStyle style = canvas_.small();
    style.color = theme.text;
    const std::string text = "all tokens, float32: " + fixed(report_.full.loss, 3);
    const double w = canvas_.width(text, style);
    // At the left, where caches are smallest and curves are high above.
    for (const double top : {y + 3, y - 3 - kSmallLine}) {
      if (const auto place = placer.place({{rect_.x + 4, top, w, kSmallLine}})) {
        canvas_.text({place->x, place->y + kSmallLine / 2}, text, style);
        break;
      }
    }
    canvas_.hit({.shape = {rect_.x, y - 4, rect_.w, 8},
                 .tooltip = quality_tooltip(report_, report_.full),
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "quality/full"});
  }

  void draw_curve(QualityCurve curve, LabelPlacer& placer) {
    const QualitySign sign = quality_sign(canvas_.theme(), curve);
    const std::vector<const QualityPoint*> points = points_of(curve);
    Polyline line{.points = {}, .color = sign.color, .width = 1.5, .is_closed = false, .fill = {}};
    for (const QualityPoint* point : points)
      line.points.push_back(at(*point));
    for (std::size_t i = 1; i < line.points.size(); ++i)
      placer.block_line(line.points[i - 1], line.points[i], 2, LabelPlacer::Crossing::kAllowed);
    if (line.points.size() > 1) canvas_.add(line);
    for (const QualityPoint* point : points) {
      const Point p = at(*point);
      draw_error(*point, sign.color);
      draw_marker(canvas_, p, sign.marker, sign.color);
      placer.block({p.x - kMarkerRadius, p.y - kMarkerRadius, 2 * kMarkerRadius, 2 * kMarkerRadius});
      canvas_.hit({.shape = {p.x - 7, p.y - 7, 14, 14},
                   .tooltip = quality_tooltip(report_, *point),
                   .click = quality_click(canvas_.input().session, *point),
                   .double_click = {},
                   .ctrl_click = {},
                   .name = std::string("quality/point ") + quality_choice_text(point->choice) + " " + quality_curve_name(curve)});
    }
  }

  /// ± a standard error, where it is larger than the marker.
  void draw_error(const QualityPoint& point, Color color) {
    const double top = y_of(point.loss + point.loss_error), bottom = y_of(point.loss - point.loss_error);
    if (bottom - top < 2 * kMarkerRadius + 2) return;
    const double x = at(point).x;
    canvas_.line({x, std::max(top, rect_.y)}, {x, std::min(bottom, rect_.y + rect_.h)}, color);
  }

  /// The smallest caches first: they differ most. Points on one another are named once.
  void draw_labels(LabelPlacer& placer) {
    std::vector<const QualityPoint*> named;
    for (const QualityCurve curve : kCurves)
      for (const QualityPoint* point : points_of(curve))
        named.push_back(point);
    std::ranges::stable_sort(named, {}, [](const QualityPoint* point) { return -point->loss; });
    for (const QualityPoint* point : named) {
      TextStyle style = canvas_.small();
      style.color = quality_sign(canvas_.theme(), point->choice.curve).color;
      const std::string text = quality_choice_text(point->choice);
      const Size size{canvas_.width(text, style) + 4, kSmallLine};
      if (const auto place = placer.place(LabelPlacer::around(at(*point), size, LabelPlacer::Reach::kNear)))
        canvas_.text({place->x + 2, place->y + kSmallLine / 2}, text, style);
    }
  }

  Canvas& canvas_;
  Rect area_;
  const QualityReport& report_;
  LogAxis x_;
  LinearAxis y_axis_;
  Rect rect_;
};

}  // namespace

QualitySign quality_sign(const Theme& theme, QualityCurve curve) {
  switch (curve) {
    case QualityCurve::kBits:
      return {theme.accent, Marker::kDisc};
    case QualityCurve::kWindow:
      return {theme.naive, Marker::kSquare};
    case QualityCurve::kStreaming:
      return {theme.gl, Marker::kTriangle};
    case QualityCurve::kHeavyHitters:
      return {theme.flash, Marker::kDiamond};
    case QualityCurve::kKvHeads:
      return {theme.linear, Marker::kRing};
    case QualityCurve::kOther:
      return {theme.text, Marker::kCross};
  }
  return {theme.text, Marker::kCross};
}

double bytes_a_token(const QualityReport& report, const QualityPoint& point) {
  if (report.n_rows < 1) return 0;
  // The first token of a row is held and not predicted.
  const double tokens_a_row = static_cast<double>(report.n_tokens + report.n_rows) / static_cast<double>(report.n_rows);
  return point.bytes / tokens_a_row;
}

std::string quality_tooltip(const QualityReport& report, const QualityPoint& point) {
  const bool is_full = &point == &report.full;
  std::string text = is_full ? "All tokens, float32" : quality_choice_text(point.choice);
  if (!point.problem.empty()) return text + "\nNot measured: " + point.problem;
  text += "\n" + fixed(point.loss, 4) + " nats a token";
  if (!is_full) {
    text += ": " + signed_fixed(point.loss - report.full.loss, 4);
    if (point.loss_error > 0) text += " ± " + fixed(point.loss_error, 4) + " (standard error)";
    text += " against all tokens in float32";
  }
  text += ", measured";
  if (!is_full)
    text += "\nanother most probable next token after " + percent_text(point.changed) + " of them; KL " + compact(point.kl, 2) +
            " nats a token, measured";
  text += "\n" + compact(bytes_a_token(report, point), 4) + " bytes a token, " + count_text(std::llround(point.bytes)) +
          " at the end of a row";
  if (!is_full) text += ": " + percent_text(point.share_of_full) + " of the full cache";
  text += ", counted";
  if (is_full) return text;
  return text + (point.choice.n_kv_heads > 0 ? "\nClick gives the model so many K/V heads." : "\nClick decodes with this cache.");
}

std::optional<Action> quality_click(const Session& session, const QualityPoint& point) {
  if (!point.problem.empty()) return std::nullopt;
  if (point.choice.n_kv_heads > 0) return KvHeadsSet{point.choice.n_kv_heads};
  DecodePlan plan = session.decode;
  // What the choice says nothing of stays as it is.
  const KvCacheOptions kept = plan.cache;
  plan.cache = point.choice.cache;
  plan.cache.layout = kept.layout;
  plan.cache.page_rows = kept.page_rows;
  return DecodePlanSet{plan};
}

void draw_quality_plot(Canvas& canvas, const Rect& area, const Quality& quality) {
  QualityPlot(canvas, area, *quality.report).draw();
}

}  // namespace headroom
