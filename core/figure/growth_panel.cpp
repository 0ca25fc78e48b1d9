#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"
#include "core/figure/speed_panels.h"

namespace headroom {
namespace {

std::string tokens_text(double n) { return count_text(std::llround(n)); }
std::string short_bytes(double bytes) {
  for (const auto& [unit, name] : {std::pair{1073741824.0, " GiB"}, {1048576.0, " MiB"}, {1024.0, " KiB"}}) {
    if (bytes >= unit) return compact(bytes / unit) + name;
  }
  return compact(bytes) + " B";
}
std::string short_ms(double ms) {
  return ms < 1 ? compact(ms * 1000) + " µs" : ms < 1000 ? compact(ms) + " ms" : compact(ms / 1000) + " s";
}

/// What a plot shows of each point.
struct Amount {
  const char* title;
  const char* name;  ///< of its hit regions
  double GrowthPoint::*value;
  std::optional<PowerFit> GrowthSeries::*fit;
  std::string (*text)(double);
  bool is_time;
};
constexpr Amount kTime{"time, measured", "time", &GrowthPoint::ms, &GrowthSeries::time, short_ms, true};
constexpr Amount kAllocated{"scratch memory allocated, counted", "allocated", &GrowthPoint::bytes_allocated,
                            &GrowthSeries::bytes_allocated,      short_bytes, false};
constexpr Amount kMoved{"bytes moved, counted", "moved", &GrowthPoint::bytes_moved, &GrowthSeries::bytes_moved, short_bytes, false};

class GrowthPicture {
 public:
  GrowthPicture(Canvas& canvas, const Rect& area, const SpeedState& state)
      : canvas_(canvas), area_(area), growth_(state.report && state.report->growth ? &*state.report->growth : nullptr) {
    const std::string measured =
        growth_ == nullptr ? "" : "measured, " + count_text(growth_->threads) + (growth_->threads == 1 ? " thread" : " threads");
    const double used = draw_speed_title(canvas, area, {SpeedSection::kGrowth, "TIME AND MEMORY OVER n", measured}, state);
    area_.y += used;
    area_.h = std::max(0.0, area_.h - used);
  }

  void draw() {
    if (area_.h < 80) return;
    if (growth_ == nullptr) {
      draw_empty();
      return;
    }
    const double notes = draw_notes();
    const Places places = places_in({area_.x, area_.y, area_.w, area_.h - notes});
    draw_plot(places.time, kTime);
    draw_plot(places.allocated, kAllocated);
    if (places.moved.h > 0) draw_plot(places.moved, kMoved);
  }

 private:
  struct Places {
    Rect time, allocated, moved;  ///< moved: empty where there is no room for it
  };
  static Places places_in(const Rect& room) {
    constexpr double kGap = 20, kBetween = 12;
    const double left = std::floor((room.w - kGap) * 0.56), right = room.w - kGap - left;
    Places places{.time = {room.x, room.y, left, room.h}, .allocated = {room.x + left + kGap, room.y, right, room.h}, .moved = {}};
    if (room.h < 300) return places;
    const double half = std::floor((room.h - kBetween) / 2);
    places.moved = {places.allocated.x, room.y + half + kBetween, right, room.h - half - kBetween};
    places.allocated.h = half;
    return places;
  }

  /// Why a curve ends early, at the bottom. Returns the height used.
  double draw_notes() {
    std::string text;
    for (const GrowthSeries& series : growth_->series) {
      if (!series.note.empty()) text += (text.empty() ? "" : " ") + series.backend + ": " + series.note;
    }
    if (text.empty() || area_.h < 200) return 0;
    const std::size_t lines = canvas_.wrap(text, canvas_.faint(), area_.w).size();
    if (lines > 2) return 0;
    const double height = static_cast<double>(lines) * kSmallLine;
    canvas_.paragraph({area_.x, area_.y + area_.h - height, area_.w, 0}, text, canvas_.faint(), lines);
    return height + 6;
  }

  /// "flash  n^1.93" lines with their markers, above the curves. Returns the height used.
  double draw_key(const Rect& area, const Amount& amount) {
    TextStyle style = canvas_.small();
    style.color = canvas_.theme().text;
    double x = area.x, y = area.y;
    for (const GrowthSeries& series : growth_->series) {
      if (!has_values(series, amount)) continue;
      const KernelSign sign = kernel_sign(canvas_.theme(), series.backend);
      const std::optional<PowerFit>& fit = series.*amount.fit;
      const std::string text = series.backend + (fit ? "  ∝ n^" + fixed(fit->exponent, 2) : "");
      const double w = 14 + canvas_.width(text, style);
      if (x > area.x && x + w > area.x + area.w) {
        x = area.x;
        y += kSmallLine;
      }
      draw_marker(canvas_, {x + kMarkerRadius, y + kSmallLine / 2}, sign.marker, sign.color);
      canvas_.text({x + 14, y + kSmallLine / 2}, text, style, area.w - 14);
      x += w + 16;
    }
    return y + kSmallLine - area.y + 2;
  }

  static bool has_values(const GrowthSeries& series, const Amount& amount) {
    return std::any_of(series.points.begin(), series.points.end(),
                       [&](const GrowthPoint& point) { return point.*amount.value > 0; });
  }

  void draw_plot(const Rect& area, const Amount& amount) {
    std::vector<double> n, values;
    for (const GrowthSeries& series : growth_->series) {
      for (const GrowthPoint& point : series.points) {
        n.push_back(static_cast<double>(point.n));
        values.push_back(point.*amount.value);
      }
    }
    if (n.empty()) return;
    const double key_top = area.y + kSmallLine;
    canvas_.parts({area.x, area.y + kSmallLine / 2}, amount.title, canvas_.small(), area.w);
    const double key = draw_key({area.x, key_top, area.w, 0}, amount) + kSmallLine;
    const LogAxis x = axis_around(n), y = axis_around(values);
    std::sort(n.begin(), n.end());
    n.erase(std::unique(n.begin(), n.end()), n.end());
    std::vector<double> y_ticks = amount.is_time ? decimal_ticks(y) : byte_ticks(y);
    if (y_ticks.empty()) y_ticks = decimal_ticks(y);
    const Rect below{area.x, area.y + key, area.w, area.h - key};
    if (below.h < 48) return;
    plot_ = draw_axes(canvas_, below, x, y, {n, tokens_text, "tokens"}, {y_ticks, amount.text, ""});
    for (const GrowthSeries& series : growth_->series)
      draw_curve(series, amount);
  }

  void draw_curve(const GrowthSeries& series, const Amount& amount) {
    const KernelSign sign = kernel_sign(canvas_.theme(), series.backend);
    Polyline line{.points = {}, .color = sign.color, .width = 1.75, .is_closed = false, .fill = {}};
    for (const GrowthPoint& point : series.points) {
      if (point.*amount.value > 0) line.points.push_back(plot_.at(static_cast<double>(point.n), point.*amount.value));
    }
    if (line.points.size() > 1) canvas_.add(line);
    for (const GrowthPoint& point : series.points) {
      if (!(point.*amount.value > 0)) continue;
      const Point at = plot_.at(static_cast<double>(point.n), point.*amount.value);
      draw_marker(canvas_, at, sign.marker, sign.color);
      canvas_.hit({.shape = {at.x - 8, at.y - 8, 16, 16},
                   .tooltip = tooltip_of(series, point),
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = std::string("speed ") + amount.name + " " + series.backend + " " + std::to_string(point.n)});
    }
  }

  static std::string tooltip_of(const GrowthSeries& series, const GrowthPoint& point) {
    std::string text = series.backend + ", " + count_text(point.n) + " tokens\n" + ms_text(point.ms) + ", measured";
    if (point.ms > 0) text += "; " + gflops_text(point.flops / point.ms / 1e6);
    text += "\n" + compact(point.flops / 1e6) + " MFLOP, " + bytes_text(std::llround(point.bytes_moved)) + " moved and " +
            bytes_text(std::llround(point.bytes_allocated)) + " allocated, counted by the kernel";
    if (series.time) {
      text += "\ntime ∝ n^" + fixed(series.time->exponent, 2) + ", fitted over the " + std::to_string(series.time->n_points) +
              " largest n";
    }
    return text;
  }

  void draw_empty() {
    const LogAxis x{100, 10000}, y{1, 10000};
    const Places places = places_in(area_);
    const Color grey = canvas_.theme().border;
    for (const auto& [place, amount, n_exponent] :
         {std::tuple{places.time, kTime, 2.0}, {places.allocated, kAllocated, 1.0}, {places.moved, kMoved, 1.0}}) {
      if (place.h < 64) continue;
      const LogPlot plot = draw_axes(canvas_, place, x, y, {{128, 256, 512, 1024, 2048, 4096, 8192}, tokens_text, "tokens"},
                                     {{}, amount.text, amount.title});
      canvas_.line(plot.at(128, 1.6), plot.at(8192, 1.6 * 4096), grey, 2);
      canvas_.line(plot.at(128, 4), plot.at(8192, 4 * std::pow(64, n_exponent) / (n_exponent > 1 ? 8 : 1)), grey, 2);
    }
    draw_speed_promise(
        canvas_, places.time, "Quadratic or linear?",
        "On logarithmic axes a power of n is a straight line; its slope is the exponent: about 2 for softmax attention, "
        "about 1 for linear attention.");
    canvas_.hit(
        {.shape = area_,
         .tooltip = "Time and memory over n\nNot measured yet: naive, flash and linear attention at 128 to 8,192 tokens. The bytes "
                    "beside the times show what flash does not store.",
         .click = {},
         .double_click = {},
         .ctrl_click = {},
         .name = "speed growth"});
  }

  Canvas& canvas_;
  Rect area_;
  const Growth* growth_;
  LogPlot plot_;
};

}  // namespace

void draw_growth(Canvas& canvas, const Rect& area, const SpeedState& state) { GrowthPicture(canvas, area, state).draw(); }

}  // namespace headroom
