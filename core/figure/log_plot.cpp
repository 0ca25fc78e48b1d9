#include "core/figure/log_plot.h"

#include <algorithm>
#include <cmath>

namespace headroom {
namespace {

bool overlap(const Rect& a, const Rect& b) { return a.x + a.w > b.x && b.x + b.w > a.x && a.y + a.h > b.y && b.y + b.h > a.y; }

/// Labels along an axis, the middle of each at its tick; those that touch the one before are left out.
void draw_x_labels(Canvas& canvas, const LogPlot& plot, const AxisTicks& ticks) {
  TextStyle style = canvas.faint();
  style.anchor = Anchor::kCentre;
  double free_from = plot.rect.x - 16;
  for (const double value : ticks.values) {
    const std::string text = ticks.text(value);
    const double half = canvas.width(text, style) / 2, x = plot.at(value, plot.y.low).x;
    if (x - half < free_from || x + half > canvas.input().size.w) continue;
    canvas.text({x, plot.rect.y + plot.rect.h + 4 + kSmallLine / 2}, text, style);
    free_from = x + half + 8;
  }
}

void draw_y_labels(Canvas& canvas, const LogPlot& plot, const AxisTicks& ticks, double left) {
  TextStyle style = canvas.faint();
  style.anchor = Anchor::kRight;
  double free_to = plot.rect.y + plot.rect.h + kSmallLine;
  for (const double value : ticks.values) {
    const double y = plot.at(plot.x.low, value).y;
    if (y + kSmallLine / 2 > free_to || y < plot.rect.y + 7) continue;  // words stand above the plot
    canvas.text({plot.rect.x - 6, y}, ticks.text(value), style, plot.rect.x - 6 - left);
    free_to = y - kSmallLine / 2;
  }
}

}  // namespace

double LogAxis::share(double value) const {
  return (std::log(std::max(value, low * 1e-3)) - std::log(low)) / (std::log(high) - std::log(low));
}

LogAxis axis_around(const std::vector<double>& values) {
  double low = INFINITY, high = 0;
  for (const double value : values) {
    if (!std::isfinite(value) || !(value > 0)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (!(high > 0)) return {};
  constexpr double kRoom = 1.35;
  return {low / kRoom, high * kRoom};
}

std::vector<double> decimal_ticks(const LogAxis& axis) {
  std::vector<double> ticks;
  const bool is_short = axis.high / axis.low < 300;
  for (int power = static_cast<int>(std::floor(std::log10(axis.low))); power <= static_cast<int>(std::ceil(std::log10(axis.high)));
       ++power) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, power);
      if ((factor == 1 || is_short) && value >= axis.low && value <= axis.high) ticks.push_back(value);
    }
  }
  return ticks;
}

std::vector<double> byte_ticks(const LogAxis& axis) {
  std::vector<double> ticks;
  const int step = axis.high / axis.low > 1e6 ? 10 : axis.high / axis.low > 64 ? 5 : 1;
  for (int power = 0; power <= 60; power += step) {
    const double value = std::ldexp(1.0, power);
    if (value >= axis.low && value <= axis.high) ticks.push_back(value);
  }
  return ticks;
}

Point LogPlot::at(double x_value, double y_value) const {
  return {rect.x + x.share(x_value) * rect.w, rect.y + (1 - y.share(y_value)) * rect.h};
}

Rect LogPlot::cover(double x_value, double y_value, double radius) const {
  const Point p = at(x_value, y_value);
  return {p.x - radius, p.y - radius, 2 * radius, 2 * radius};
}

LogPlot draw_axes(Canvas& canvas, const Rect& area, const LogAxis& x, const LogAxis& y, const AxisTicks& x_ticks,
                  const AxisTicks& y_ticks) {
  double label = 0;
  for (const double value : y_ticks.values)
    label = std::max(label, canvas.width(y_ticks.text(value), canvas.faint()));
  const double left = std::min(label + 10, area.w / 3), title = y_ticks.title.empty() ? 0 : kSmallLine + 2;
  const double below = (x_ticks.values.empty() ? 4 : kSmallLine + 4) + (x_ticks.title.empty() ? 0 : kSmallLine);
  LogPlot plot{{area.x + left, area.y + title, std::max(16.0, area.w - left - 4), std::max(16.0, area.h - title - below)}, x, y};
  const Rect& r = plot.rect;
  const Color grid = mix(canvas.theme().panel, canvas.theme().border, 0.7);
  for (const double value : x_ticks.values) {
    const double at = plot.at(value, y.low).x;
    canvas.line({at, r.y}, {at, r.y + r.h}, grid);
  }
  for (const double value : y_ticks.values) {
    const double at = plot.at(x.low, value).y;
    canvas.line({r.x, at}, {r.x + r.w, at}, grid);
  }
  canvas.line({r.x, r.y + r.h}, {r.x + r.w, r.y + r.h}, canvas.theme().border);
  canvas.line({r.x, r.y}, {r.x, r.y + r.h}, canvas.theme().border);
  draw_x_labels(canvas, plot, x_ticks);
  draw_y_labels(canvas, plot, y_ticks, area.x);
  if (title > 0) canvas.parts({area.x, area.y + kSmallLine / 2}, y_ticks.title, canvas.small(), area.w);
  if (!x_ticks.title.empty()) {
    TextStyle style = canvas.small();
    const double w = canvas.width(x_ticks.title, style);
    canvas.parts({std::max(area.x, r.x + r.w - w), r.y + r.h + below - kSmallLine / 2}, x_ticks.title, style, area.w);
  }
  return plot;
}

void LabelPlacer::block_line(Point from, Point to, double thickness, Crossing crossing) {
  const double length = std::hypot(to.x - from.x, to.y - from.y);
  const int pieces = std::max(1, static_cast<int>(length / 6));
  for (int i = 0; i <= pieces; ++i) {
    const double t = static_cast<double>(i) / pieces;
    (crossing == Crossing::kAllowed ? crossable_ : taken_)
        .push_back(
            {from.x + t * (to.x - from.x) - thickness / 2, from.y + t * (to.y - from.y) - thickness / 2, thickness, thickness});
  }
}

bool LabelPlacer::is_free(const Rect& rect) const {
  const bool is_inside = rect.x >= bounds_.x && rect.y >= bounds_.y && rect.x + rect.w <= bounds_.x + bounds_.w &&
                         rect.y + rect.h <= bounds_.y + bounds_.h;
  const auto covers = [&](const Rect& taken) { return overlap(taken, rect); };
  return is_inside && std::none_of(taken_.begin(), taken_.end(), covers) &&
         std::none_of(crossable_.begin(), crossable_.end(), covers);
}

bool LabelPlacer::is_line_free(Point from, Point to) const {
  const int pieces = std::max(1, static_cast<int>(std::hypot(to.x - from.x, to.y - from.y) / 3));
  for (int i = 0; i <= pieces; ++i) {
    const double t = static_cast<double>(i) / pieces;
    const Rect dot{from.x + t * (to.x - from.x), from.y + t * (to.y - from.y), 0.5, 0.5};
    if (std::any_of(taken_.begin(), taken_.end(), [&](const Rect& taken) { return overlap(taken, dot); })) return false;
  }
  return true;
}

std::optional<Rect> LabelPlacer::place(const std::vector<Rect>& candidates) {
  for (const Rect& rect : candidates) {
    if (!is_free(rect)) continue;
    taken_.push_back(rect);
    return rect;
  }
  return std::nullopt;
}

std::vector<Rect> LabelPlacer::around(Point at, Size size, Reach reach) {
  std::vector<Rect> candidates;
  const std::vector<double> extras =
      reach == Reach::kNear ? std::vector<double>{3, 8} : std::vector<double>{14, 20, 28, 36, 44, 54, 64, 76};
  for (const double extra : extras) {
    const double d = kMarkerRadius + extra;
    for (const double dy : {0.0, -1.0, 1.0}) {
      candidates.push_back({at.x + d, at.y - size.h / 2 + dy * d, size.w, size.h});
      candidates.push_back({at.x - d - size.w, at.y - size.h / 2 + dy * d, size.w, size.h});
    }
    candidates.push_back({at.x - size.w / 2, at.y - d - size.h, size.w, size.h});
    candidates.push_back({at.x - size.w / 2, at.y + d, size.w, size.h});
  }
  return candidates;
}

void draw_marker(Canvas& canvas, Point at, Marker marker, Color color) {
  const double r = kMarkerRadius;
  const Color hole = canvas.theme().panel;
  const auto polygon = [&](std::vector<Point> points, std::optional<Color> fill) {
    canvas.add(Polyline{.points = std::move(points), .color = color, .width = 1.5, .is_closed = true, .fill = fill});
  };
  const std::vector<Point> triangle{{at.x, at.y - r}, {at.x + r, at.y + 0.8 * r}, {at.x - r, at.y + 0.8 * r}};
  switch (marker) {
    case Marker::kSquare:
      canvas.fill({at.x - 0.85 * r, at.y - 0.85 * r, 1.7 * r, 1.7 * r}, color);
      return;
    case Marker::kDisc:
      canvas.fill({at.x - r, at.y - r, 2 * r, 2 * r}, color, r);
      return;
    case Marker::kRing:
      canvas.add(
          FilledRect{.rect = {at.x - r, at.y - r, 2 * r, 2 * r}, .fill = hole, .stroke = color, .stroke_width = 1.75, .radius = r});
      return;
    case Marker::kTriangle:
      polygon(triangle, color);
      return;
    case Marker::kHollowTriangle:
      polygon(triangle, hole);
      return;
    case Marker::kDiamond:
      polygon({{at.x, at.y - r}, {at.x + r, at.y}, {at.x, at.y + r}, {at.x - r, at.y}}, color);
      return;
    case Marker::kCross:
      canvas.line({at.x - r, at.y - r}, {at.x + r, at.y + r}, color, 2.5);
      canvas.line({at.x - r, at.y + r}, {at.x + r, at.y - r}, color, 2.5);
      return;
  }
}

KernelSign kernel_sign(const Theme& theme, const std::string& kernel) {
  const bool is_16_bit = kernel.find("16") != std::string::npos;
  if (kernel.starts_with("gl")) return {theme.gl, Marker::kCross};
  if (kernel.starts_with("linear q k v")) return {theme.mlp, Marker::kDiamond};  // products of the projections
  if (kernel.starts_with("linear")) return {theme.linear, Marker::kDiamond};
  if (kernel.starts_with("decode")) return {theme.flash, is_16_bit ? Marker::kHollowTriangle : Marker::kTriangle};
  if (kernel.starts_with("flash")) return {theme.flash, is_16_bit ? Marker::kRing : Marker::kDisc};
  return {theme.naive, Marker::kSquare};
}

}  // namespace headroom
