#include "app/painters/cairo_canvas.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "app/painters/cairo_text.h"

namespace headroom {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kGapShare = 2.0 / 3;

class CairoMeasurer : public TextMeasurer {
 public:
  double width(std::string_view text, FontFace face, double size) const override { return text_width(text, face, size); }
};

void rounded_path(cairo_t* cairo, const Rect& r, double radius) {
  const double limit = std::min({radius, r.w / 2, r.h / 2});
  if (limit <= 0) {
    cairo_rectangle(cairo, r.x, r.y, r.w, r.h);
    return;
  }
  cairo_new_sub_path(cairo);
  cairo_arc(cairo, r.x + r.w - limit, r.y + limit, limit, -kPi / 2, 0);
  cairo_arc(cairo, r.x + r.w - limit, r.y + r.h - limit, limit, 0, kPi / 2);
  cairo_arc(cairo, r.x + limit, r.y + r.h - limit, limit, kPi / 2, kPi);
  cairo_arc(cairo, r.x + limit, r.y + limit, limit, kPi, 3 * kPi / 2);
  cairo_close_path(cairo);
}

struct ItemDrawer {
  const CairoCanvas& canvas;
  cairo_t* cairo = canvas.cairo;

  void operator()(const FilledRect& item) const {
    if (!(item.rect.w > 0) || !(item.rect.h > 0)) return;
    const Rect rect = placed(canvas, item.rect);
    if (item.fill && item.fill->a > 0) {
      rounded_path(cairo, rect, item.radius);
      set_color(cairo, *item.fill);
      cairo_fill(cairo);
    }
    if (item.stroke && item.stroke->a > 0 && item.stroke_width > 0) {
      // Inside the rectangle, as every painter draws it.
      const double half = item.stroke_width / 2;
      rounded_path(cairo, {rect.x + half, rect.y + half, rect.w - 2 * half, rect.h - 2 * half}, item.radius - half);
      set_color(cairo, *item.stroke);
      cairo_set_line_width(cairo, item.stroke_width);
      cairo_stroke(cairo);
    }
  }
  void operator()(const Polyline& item) const {
    if (item.points.empty()) return;
    for (const Point& point : item.points)
      cairo_line_to(cairo, point.x, point.y);
    if (item.is_closed) cairo_close_path(cairo);
    if (item.fill && item.fill->a > 0) {
      set_color(cairo, *item.fill);
      cairo_fill_preserve(cairo);
    }
    if (item.width > 0 && item.color.a > 0) {
      set_color(cairo, item.color);
      cairo_set_line_width(cairo, item.width);
      cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
      const double dashes[] = {item.dash, item.dash * kGapShare};
      if (item.dash > 0) cairo_set_dash(cairo, dashes, 2, 0);
      cairo_stroke(cairo);
      cairo_set_dash(cairo, nullptr, 0, 0);
    }
    cairo_new_path(cairo);
  }
  void operator()(const Curve& item) const {
    if (item.width <= 0 || item.color.a == 0) return;
    cairo_move_to(cairo, item.from.x, item.from.y);
    cairo_curve_to(cairo, item.control_from.x, item.control_from.y, item.control_to.x, item.control_to.y, item.to.x, item.to.y);
    set_color(cairo, item.color);
    cairo_set_line_width(cairo, item.width);
    cairo_stroke(cairo);
  }
  void operator()(const TextRun& item) const {
    if (item.text.empty() || item.color.a == 0 || !(item.size > 0)) return;
    const std::string text =
        item.max_width > 0 ? shorten_middle(item.text, item.max_width, item.face, item.size, CairoMeasurer()) : item.text;
    const double width = item.anchor == Anchor::kLeft ? 0 : text_width(text, item.face, item.size);
    cairo_save(cairo);
    cairo_translate(cairo, item.at.x, item.at.y);
    if (item.angle != 0) cairo_rotate(cairo, -item.angle * kPi / 180);  // y grows downwards
    cairo_translate(cairo, item.anchor == Anchor::kCentre ? -width / 2 : -width, 0);
    set_color(cairo, item.color);
    show_text(cairo, text, item.face, item.size);
    cairo_restore(cairo);
  }
  void operator()(const AttentionTile& item) const { draw_attention_tile(canvas, item); }
  void operator()(const Hatch& item) const {
    const Rect r = placed(canvas, item.rect);
    if (!(r.w > 0) || !(r.h > 0)) return;
    cairo_save(cairo);
    cairo_rectangle(cairo, r.x, r.y, r.w, r.h);
    cairo_clip(cairo);
    set_color(cairo, item.color);
    cairo_set_line_width(cairo, 1);
    const double step = std::max(item.spacing, 2.0) * std::numbers::sqrt2;
    for (double c = -r.h + step / 2; c < r.w; c += step) {
      cairo_move_to(cairo, r.x + c, r.y + r.h);
      cairo_line_to(cairo, r.x + c + r.h, r.y);
    }
    cairo_stroke(cairo);
    cairo_restore(cairo);
  }
  void operator()(const ColorRamp& item) const {
    const Rect rect = placed(canvas, item.rect);
    if (!(rect.w > 0) || !(rect.h > 0)) return;
    cairo_pattern_t* ramp = cairo_pattern_create_linear(rect.x, 0, rect.x + rect.w, 0);
    constexpr int kStops = 32;
    for (int i = 0; i <= kStops; ++i) {
      const double share = static_cast<double>(i) / kStops;
      const Color color = ramp_color(item, canvas.theme, share);
      cairo_pattern_add_color_stop_rgb(ramp, share, color.r / 255.0, color.g / 255.0, color.b / 255.0);
    }
    cairo_rectangle(cairo, rect.x, rect.y, rect.w, rect.h);
    cairo_set_source(cairo, ramp);
    cairo_fill(cairo);
    cairo_pattern_destroy(ramp);
  }
  void operator()(const ClipTo& item) const {
    cairo_reset_clip(cairo);
    if (!(item.rect.w > 0) || !(item.rect.h > 0)) return;
    const Rect rect = placed(canvas, item.rect);
    cairo_rectangle(cairo, rect.x, rect.y, rect.w, rect.h);
    cairo_clip(cairo);
  }
};

}  // namespace

Rect placed(const CairoCanvas& canvas, const Rect& rect) {
  if (canvas.target == CairoCanvas::Target::kVectors) return rect;
  const auto snap = [&](double length) { return std::round(length * canvas.scale) / canvas.scale; };
  Rect answer{snap(rect.x), snap(rect.y), 0, 0};
  answer.w = snap(rect.x + rect.w) - answer.x;
  answer.h = snap(rect.y + rect.h) - answer.y;
  if (rect.w > 0) answer.w = std::max(answer.w, 1 / canvas.scale);
  if (rect.h > 0) answer.h = std::max(answer.h, 1 / canvas.scale);
  return answer;
}

void set_color(cairo_t* cairo, Color color) {
  cairo_set_source_rgba(cairo, color.r / 255.0, color.g / 255.0, color.b / 255.0, color.a / 255.0);
}

void draw_figure_items(const CairoCanvas& canvas) {
  set_color(canvas.cairo, canvas.theme.panel);
  cairo_paint(canvas.cairo);
  for (const Item& item : canvas.figure.items)
    std::visit(ItemDrawer{canvas}, item);
  cairo_reset_clip(canvas.cairo);
}

}  // namespace headroom
