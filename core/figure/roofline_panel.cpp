#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"
#include "core/figure/roofline_text.h"
#include "core/figure/speed_panels.h"

namespace headroom {
namespace {

constexpr const char* kXTitle = "arithmetic intensity, FLOP/byte moved (counted by the kernels)";
constexpr const char* kYTitle = "GFLOP/s, measured";

std::string plain(double value) {
  return value >= 1e6 ? compact(value, 1) : value >= 1 ? count_text(std::llround(value)) : compact(value, 2);
}

class RooflinePicture {
 public:
  RooflinePicture(Canvas& canvas, const Rect& area, const SpeedState& state)
      : canvas_(canvas), area_(area), roofline_(state.report && state.report->roofline ? &*state.report->roofline : nullptr) {
    const std::string measured =
        roofline_ == nullptr ? ""
                             : "measured, " + count_text(roofline_->threads) + (roofline_->threads == 1 ? " thread" : " threads");
    const double used = draw_speed_title(canvas, area, {SpeedSection::kRoofline, "ROOFLINE", measured}, state);
    area_.y += used;
    area_.h = std::max(0.0, area_.h - used);
  }

  void draw() {
    if (area_.h < 80) return;
    if (roofline_ == nullptr || roofline_->points.empty()) {
      draw_empty();
      return;
    }
    for (const RooflineRoof& roof : roofline_->roofs) {
      if (is_flat(roof)) peak_ = std::max(peak_, roof.value);
    }
    if (!roofline_->note.empty() && area_.h > 200) {
      const double h = kSmallLine * static_cast<double>(
                                        std::min<std::size_t>(2, canvas_.wrap(roofline_->note, canvas_.faint(), area_.w).size()));
      canvas_.paragraph({area_.x, area_.y + area_.h - h, area_.w, 0}, roofline_->note, canvas_.faint(), 2);
      area_.h -= h + 4;
    }
    has_key_ = area_.w < 520 || area_.h < 240;
    if (has_key_) {
      const double key = draw_key();
      area_.y += key;
      area_.h -= key;
      if (area_.h < 64) return;
    }
    plot_ = make_plot();
    placer_ = LabelPlacer(plot_.rect);
    for (const RooflinePoint& point : roofline_->points)
      placer_.block(plot_.cover(point.intensity, point.gflops, kMarkerRadius + 1));
    draw_roofs();
    name_sides();
    for (const RooflinePoint& point : roofline_->points)
      draw_point(point);
  }

 private:
  LogPlot make_plot() {
    std::vector<double> x, y{peak_ > 0 ? peak_ * 1.6 : 0};
    for (const RooflinePoint& point : roofline_->points) {
      x.push_back(point.intensity);
      y.push_back(point.gflops);
    }
    for (const RooflineRoof& roof : roofline_->roofs) {
      if (!is_flat(roof) && peak_ > 0 && roof.value > 0) x.push_back(peak_ / roof.value);
    }
    LogAxis x_axis = axis_around(x), y_axis = axis_around(y);
    x_axis.low /= 2;
    x_axis.high *= 2.5;
    y_axis.low = std::max(y_axis.low / 1.5, y_axis.high * 1e-6);
    return draw_axes(canvas_, area_, x_axis, y_axis, {decimal_ticks(x_axis), plain, kXTitle},
                     {decimal_ticks(y_axis), plain, kYTitle});
  }

  /// Where a slanted roof enters the plot and where it meets the flat one (or leaves).
  std::pair<Point, Point> ends_of(const RooflineRoof& roof) const {
    const double top = peak_ > 0 ? peak_ : plot_.y.high;
    if (is_flat(roof)) {
      double knee = plot_.x.high;
      for (const RooflineRoof& other : roofline_->roofs) {
        if (!is_flat(other) && other.value > 0) knee = std::min(knee, roof.value / other.value);
      }
      return {plot_.at(std::clamp(knee, plot_.x.low, plot_.x.high), roof.value), plot_.at(plot_.x.high, roof.value)};
    }
    const double from = std::max(plot_.x.low, plot_.y.low / roof.value), to = std::min(plot_.x.high, top / roof.value);
    return {plot_.at(from, from * roof.value), plot_.at(to, to * roof.value)};
  }

  void draw_roofs() {
    const Theme& theme = canvas_.theme();
    const auto slowest = std::min_element(roofline_->roofs.begin(), roofline_->roofs.end(), [](const auto& a, const auto& b) {
      return (is_flat(a) ? INFINITY : a.value) < (is_flat(b) ? INFINITY : b.value);
    });
    for (const RooflineRoof& roof : roofline_->roofs) {
      if (!(roof.value > 0)) continue;
      // The roof that the shares are of: memory, then the flat one.
      const bool is_main = is_flat(roof) || &roof == &*slowest;
      const auto [from, to] = ends_of(roof);
      if (to.x <= from.x) continue;
      canvas_.line(from, to, is_main ? theme.text_dim : theme.text_faint, is_main ? 2 : 1);
      placer_.block_line(from, to, 3, LabelPlacer::Crossing::kAllowed);
    }
    for (const RooflineRoof& roof : roofline_->roofs) {
      if (roof.value > 0) label_roof(roof);
    }
  }

  /// Along its line, as on a contour map, where no other roof's words are.
  void label_roof(const RooflineRoof& roof) {
    TextStyle style = canvas_.small();
    style.anchor = Anchor::kCentre;
    const std::string text = roof_text(roof);
    const double w = canvas_.width(text, style);
    const auto [from, to] = ends_of(roof);
    const double length = std::hypot(to.x - from.x, to.y - from.y);
    add_roof_region(roof, from, to);
    if (has_key_) return;
    if (is_flat(roof)) {
      const double x = to.x - w / 2 - 4;
      if (x - w / 2 < plot_.rect.x) return;
      canvas_.text({x, to.y - kSmallLine / 2 - 2}, text, style);
      placer_.block({x - w / 2, to.y - kSmallLine - 2, w, kSmallLine});
      return;
    }
    const double angle = std::atan2(from.y - to.y, to.x - from.x);
    for (double at = 10 + w / 2; at + w / 2 + 6 <= length; at += 24) {
      const Point middle{from.x + at * std::cos(angle), from.y - at * std::sin(angle)};
      const auto corner = [&](double along, double across) {
        return Point{middle.x + along * std::cos(angle) + across * std::sin(angle),
                     middle.y - along * std::sin(angle) + across * std::cos(angle)};
      };
      const Point left = corner(-w / 2, 0), right = corner(w / 2, 0);
      if (!is_label_free(left, right)) continue;
      const double half = kSmallLine / 2 - 1;
      canvas_.add(Polyline{
          .points = {corner(-w / 2 - 4, -half), corner(w / 2 + 4, -half), corner(w / 2 + 4, half), corner(-w / 2 - 4, half)},
          .color = canvas_.theme().panel,
          .width = 0.5,
          .is_closed = true,
          .fill = canvas_.theme().panel});
      canvas_.add(TextRun{.at = middle,
                          .text = text,
                          .face = style.face,
                          .size = style.size,
                          .color = style.color,
                          .anchor = Anchor::kCentre,
                          .angle = angle * 180 / std::numbers::pi,
                          .max_width = 0});
      roof_labels_.push_back({left, right});
      placer_.block_line(left, right, kSmallLine);
      return;
    }
    // No room along it: level words at its left, where no kernel can be.
    std::vector<Rect> beside;
    for (double share = 0.96; share > 0; share -= 0.04)
      beside.push_back(
          {from.x + share * (to.x - from.x) - w - 10, from.y + share * (to.y - from.y) - kSmallLine / 2, w, kSmallLine});
    if (const auto place = placer_.place(beside)) canvas_.text({place->x + w / 2, place->y + kSmallLine / 2}, text, style);
  }

  /// No other roof's words and no marker under a level or turned line of words.
  bool is_label_free(Point left, Point right) const {
    constexpr int kSteps = 24;
    for (int i = 0; i <= kSteps; ++i) {
      const double s = static_cast<double>(i) / kSteps;
      const Point p{left.x + s * (right.x - left.x), left.y + s * (right.y - left.y)};
      for (const auto& [a, b] : roof_labels_) {
        for (int k = 0; k <= kSteps; ++k) {
          const double t = static_cast<double>(k) / kSteps;
          if (std::hypot(p.x - a.x - t * (b.x - a.x), p.y - a.y - t * (b.y - a.y)) < kSmallLine) return false;
        }
      }
      for (const RooflinePoint& point : roofline_->points) {
        const Point at = plot_.at(point.intensity, point.gflops);
        if (std::hypot(p.x - at.x, p.y - at.y) < kMarkerRadius + kSmallLine / 2) return false;
      }
    }
    return true;
  }

  void add_roof_region(const RooflineRoof& roof, Point from, Point to) {
    const std::string text = roof_tooltip(roof);
    // A slanted line as a few boxes along it.
    const int pieces = is_flat(roof) ? 1 : 12;
    for (int i = 0; i < pieces; ++i) {
      const double s = static_cast<double>(i) / pieces, t = static_cast<double>(i + 1) / pieces;
      const double top = from.y + t * (to.y - from.y), bottom = from.y + s * (to.y - from.y);
      const double left = from.x + s * (to.x - from.x), right = from.x + t * (to.x - from.x);
      canvas_.hit({.shape = {left, std::min(top, bottom) - 3, right - left, std::abs(bottom - top) + 6},
                   .tooltip = text,
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = i == 0 ? "speed roof " + roof.name : ""});
    }
  }

  void draw_point(const RooflinePoint& point) {
    const KernelSign sign = kernel_sign(canvas_.theme(), point.kernel);
    const Point at = plot_.at(point.intensity, point.gflops);
    if (!has_key_) label_point(point, at);
    draw_marker(canvas_, at, sign.marker, sign.color);
    canvas_.hit({.shape = {at.x - 9, at.y - 9, 18, 18},
                 .tooltip = point_tooltip(*roofline_, point),
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "speed point " + point.kernel});
  }

  /// Words close by are read at once; a line to words farther away is the last resort.
  void label_point(const RooflinePoint& point, Point at) {
    const std::string full = point_text(point);
    TextStyle style = canvas_.small();
    style.color = canvas_.theme().text;
    for (const auto& [text, reach] : {std::pair{full, LabelPlacer::Reach::kNear},
                                      {point.kernel, LabelPlacer::Reach::kNear},
                                      {full, LabelPlacer::Reach::kFar},
                                      {point.kernel, LabelPlacer::Reach::kFar}}) {
      const Size size{canvas_.width(text, style) + 4, kSmallLine};
      const auto near_edge = [&](const Rect& place) {
        return Point{std::clamp(at.x, place.x, place.x + place.w), std::clamp(at.y, place.y + 2, place.y + place.h - 2)};
      };
      std::vector<Rect> candidates = LabelPlacer::around(at, size, reach);
      if (reach == LabelPlacer::Reach::kFar) {
        std::erase_if(candidates, [&](const Rect& place) {
          const Point to = near_edge(place);
          const double length = std::max(1.0, std::hypot(to.x - at.x, to.y - at.y)), start = (kMarkerRadius + 4) / length;
          return !placer_.is_line_free({at.x + start * (to.x - at.x), at.y + start * (to.y - at.y)}, to);
        });
      }
      const auto place = placer_.place(candidates);
      if (!place) continue;
      if (reach == LabelPlacer::Reach::kFar) {
        canvas_.line(at, near_edge(*place), mix(canvas_.theme().panel, canvas_.theme().text_faint, 0.7));
        placer_.block_line(at, near_edge(*place), 2);
      }
      canvas_.text({place->x + 2, place->y + kSmallLine / 2}, text, style);
      return;
    }
  }

  /// Where the plot is small: markers with names and rates above it, in GFLOP/s. Returns the height used.
  double draw_key() {
    TextStyle style = canvas_.small();
    style.color = canvas_.theme().text;
    double x = area_.x, y = area_.y;
    for (const RooflinePoint& point : roofline_->points) {
      const KernelSign sign = kernel_sign(canvas_.theme(), point.kernel);
      const std::string text = point.kernel + " " + compact(point.gflops);
      const double w = 14 + canvas_.width(text, style);
      if (x > area_.x && x + w > area_.x + area_.w) {
        x = area_.x;
        y += kSmallLine;
      }
      draw_marker(canvas_, {x + kMarkerRadius, y + kSmallLine / 2}, sign.marker, sign.color);
      canvas_.text({x + 14, y + kSmallLine / 2}, text, style, area_.w - 14);
      x += w + 14;
    }
    y += kSmallLine;
    std::string roofs = "roofs: ";
    for (const RooflineRoof& roof : roofline_->roofs)
      roofs += (&roof == &roofline_->roofs.front() ? "" : " · ") + roof_text(roof);
    const std::size_t lines = std::min<std::size_t>(2, canvas_.wrap(roofs, canvas_.faint(), area_.w).size());
    y += canvas_.paragraph({area_.x, y, area_.w, 0}, roofs, canvas_.faint(), lines);
    return y - area_.y + 4;
  }

  /// Left of the knee of the main roof memory is the limit, right of it arithmetic.
  void name_sides() {
    double slowest = 0;
    for (const RooflineRoof& roof : roofline_->roofs) {
      if (!is_flat(roof) && roof.value > 0 && (slowest == 0 || roof.value < slowest)) slowest = roof.value;
    }
    if (slowest == 0 || peak_ <= 0 || plot_.rect.h < 150) return;
    const double knee = peak_ / slowest;
    if (knee <= plot_.x.low || knee >= plot_.x.high) return;
    const Point at = plot_.at(knee, peak_);
    const double bottom = plot_.rect.y + plot_.rect.h;
    const Color faint = mix(canvas_.theme().panel, canvas_.theme().text_faint, 0.5);
    for (double y = at.y + 4; y + 4 < bottom; y += 9)
      canvas_.line({at.x, y}, {at.x, y + 4}, faint);
    placer_.block_line(at, {at.x, bottom}, 3, LabelPlacer::Crossing::kAllowed);
    const TextStyle style = canvas_.faint();
    const std::string left = "memory is the limit ←", right = "→ arithmetic is the limit";
    const double lw = canvas_.width(left, style), rw = canvas_.width(right, style), y = bottom - kSmallLine - 2;
    if (const auto place = placer_.place({{at.x - 8 - lw, y, lw, kSmallLine}}))
      canvas_.text({place->x, y + kSmallLine / 2}, left, style);
    if (const auto place = placer_.place({{at.x + 8, y, rw, kSmallLine}}))
      canvas_.text({place->x, y + kSmallLine / 2}, right, style);
  }

  void draw_empty() {
    const LogAxis x{0.2, 2000}, y{0.5, 2000};
    const Color grey = canvas_.theme().border;
    const LogPlot plot = draw_axes(canvas_, area_, x, y, {decimal_ticks(x), plain, kXTitle}, {{}, plain, kYTitle});
    for (const double knee : {8.0, 30.0}) {
      constexpr double top = 500;
      const double from = std::max(x.low, y.low * knee / top);
      canvas_.line(plot.at(from, from * top / knee), plot.at(knee, top), grey, 2);
      canvas_.line(plot.at(knee, top), plot.at(x.high, top), grey, 2);
    }
    draw_speed_promise(
        canvas_, plot.rect, "What limits each kernel?",
        "Every kernel becomes a point: how much it computes for each byte it moves, and how fast. Under the slanted roof "
        "memory sets the limit, under the flat one the multipliers; both roofs are measured too.");
    canvas_.hit({.shape = plot.rect,
                 .tooltip =
                     "Roofline\nNot measured yet: the FMA peak and the reads of each cache and of memory are measured in the same "
                     "minutes as the kernels.",
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "speed roofline"});
  }

  Canvas& canvas_;
  Rect area_;
  const Roofline* roofline_;
  LogPlot plot_;
  LabelPlacer placer_{Rect{}};
  std::vector<std::pair<Point, Point>> roof_labels_;
  double peak_ = 0;
  bool has_key_ = false;
};

}  // namespace

void draw_roofline(Canvas& canvas, const Rect& area, const SpeedState& state) { RooflinePicture(canvas, area, state).draw(); }

}  // namespace headroom
