#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"
#include "core/figure/speed_panels.h"

namespace headroom {
namespace {

constexpr const char* kXTitle = "arithmetic intensity, FLOP/byte moved (counted by the kernels)";
constexpr const char* kYTitle = "GFLOP/s, measured";

std::string plain(double value) {
  return value >= 1e6 ? compact(value, 1) : value >= 1 ? count_text(std::llround(value)) : compact(value, 2);
}

bool is_flat(const RooflineRoof& roof) { return roof.unit == "GFLOP/s"; }

/// "memory reads 17.2 GB/s"
std::string roof_text(const RooflineRoof& roof) {
  return roof.name + " " + (is_flat(roof) ? gflops_text(roof.value) : fixed(roof.value, roof.value < 99.95 ? 1 : 0) + " GB/s");
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
    plot_ = make_plot();
    placer_ = LabelPlacer(plot_.rect);
    draw_roofs();
    for (const RooflinePoint& point : roofline_->points)
      placer_.block(plot_.cover(point.intensity, point.gflops, kMarkerRadius + 1));
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
      placer_.block_line(from, to);
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
  }

  bool is_label_free(Point left, Point right) const {
    for (const auto& [a, b] : roof_labels_) {
      for (double s = 0; s <= 1; s += 0.1) {
        for (double t = 0; t <= 1; t += 0.1) {
          const double dx = left.x + s * (right.x - left.x) - a.x - t * (b.x - a.x),
                       dy = left.y + s * (right.y - left.y) - a.y - t * (b.y - a.y);
          if (std::hypot(dx, dy) < kSmallLine) return false;
        }
      }
    }
    return true;
  }

  void add_roof_region(const RooflineRoof& roof, Point from, Point to) {
    std::string text = roof.name + "\n" + roof_text(roof) + ", measured";
    if (is_flat(roof)) {
      text += "\nNo kernel on this machine can multiply and add faster, however little memory it needs.";
    } else {
      if (roof.working_set > 0) text += " over " + bytes_text(std::llround(roof.working_set)) + " read again and again";
      text += "\nA kernel that does x FLOP for each byte can reach at most x times as many GFLOP/s from there.";
    }
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
    std::string full = point.kernel + "  " + gflops_text(point.gflops);
    if (!point.roof.empty()) full += " · " + percent_text(point.percent_of_roof / 100);
    TextStyle style = canvas_.small();
    style.color = canvas_.theme().text;
    for (const std::string& text : {full, point.kernel}) {
      const Size size{canvas_.width(text, style) + 4, kSmallLine};
      const auto place = placer_.place(LabelPlacer::around(at, size, kMarkerRadius));
      if (!place) continue;
      const double near_x = std::clamp(at.x, place->x, place->x + place->w),
                   near_y = std::clamp(at.y, place->y + 2, place->y + place->h - 2);
      if (std::hypot(near_x - at.x, near_y - at.y) > kMarkerRadius + 8)
        canvas_.line(at, {near_x, near_y}, mix(canvas_.theme().panel, canvas_.theme().text_faint, 0.7));
      canvas_.text({place->x + 2, place->y + kSmallLine / 2}, text, style);
      break;
    }
    draw_marker(canvas_, at, sign.marker, sign.color);
    canvas_.hit({.shape = {at.x - 9, at.y - 9, 18, 18},
                 .tooltip = tooltip_of(point),
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "speed point " + point.kernel});
  }

  std::string tooltip_of(const RooflinePoint& point) const {
    std::string text = point.kernel + "\n" + gflops_text(point.gflops) + " in " + ms_text(point.ms) + ", measured, " +
                       count_text(point.threads) + (point.threads == 1 ? " thread" : " threads");
    text += "\n" + compact(point.intensity) + " FLOP/byte: " + compact(point.flops / 1e6) + " MFLOP and " +
            bytes_text(std::llround(point.bytes)) + " moved, counted";
    if (point.roof.empty()) return text + "\nOn a device of its own: this machine's roofs do not bound it.";
    text += "\n" + percent_text(point.percent_of_roof / 100) + " of " + gflops_text(point.roof_gflops) + ", what " + point.roof +
            " allow" + (is_peak(point.roof) ? "s" : "") + " at this intensity";
    return text + "\nBounded by " +
           (is_peak(point.roof) ? "how fast the machine multiplies and adds." : "how fast " + point.roof + " feed it.");
  }

  bool is_peak(const std::string& roof) const {
    return std::any_of(roofline_->roofs.begin(), roofline_->roofs.end(),
                       [&](const RooflineRoof& one) { return one.name == roof && is_flat(one); });
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
};

}  // namespace

void draw_roofline(Canvas& canvas, const Rect& area, const SpeedState& state) { RooflinePicture(canvas, area, state).draw(); }

}  // namespace headroom
