#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "core/cost/thousands.h"
#include "core/figure/decode_panels.h"
#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

std::string tokens_text(double n) { return count_text(std::llround(n)); }
std::string short_ms(double ms) {
  return ms < 1 ? compact(ms * 1000) + " µs" : ms < 1000 ? compact(ms) + " ms" : compact(ms / 1000) + " s";
}

struct CurvePoint {
  double n = 0, value = 0;
  std::string tooltip, name;
  std::optional<Action> click;
};
/// One line of a plot. `fit` is drawn into the key.
struct TimeCurve {
  std::string name;
  Color color;
  Marker marker = Marker::kDisc;
  bool is_dashed = false;
  std::vector<CurvePoint> points;
  std::optional<PowerFit> fit;
};

/// "with the cache  ∝ n^0.12" and their markers. Returns the height used.
double draw_key(Canvas& canvas, const Rect& area, const std::vector<TimeCurve>& curves) {
  TextStyle style = canvas.small();
  style.color = canvas.theme().text;
  double x = area.x, y = area.y;
  for (const TimeCurve& curve : curves) {
    if (curve.points.empty()) continue;
    const std::string text = curve.name + (curve.fit ? "  ∝ n^" + fixed(curve.fit->exponent, 2) : "");
    const double w = 14 + canvas.width(text, style);
    if (x > area.x && x + w > area.x + area.w) {
      x = area.x;
      y += kSmallLine;
    }
    draw_marker(canvas, {x + kMarkerRadius, y + kSmallLine / 2}, curve.marker, curve.color);
    canvas.text({x + 14, y + kSmallLine / 2}, text, style, area.w - 14);
    x += w + 16;
  }
  return y + kSmallLine - area.y + 4;
}

struct PlotText {
  std::string y_title, x_title;
  std::string (*value)(double) = short_ms;
};

std::vector<double> few_ticks(const std::vector<double>& values) {
  std::vector<double> ticks = values;
  std::sort(ticks.begin(), ticks.end());
  ticks.erase(std::unique(ticks.begin(), ticks.end()), ticks.end());
  constexpr std::size_t kMost = 24;
  return ticks.size() <= kMost ? ticks : decimal_ticks(axis_around(ticks));
}

void draw_curves(Canvas& canvas, const Rect& area, const std::vector<TimeCurve>& curves, const PlotText& text) {
  std::vector<double> n, values;
  for (const TimeCurve& curve : curves) {
    for (const CurvePoint& point : curve.points) {
      n.push_back(point.n);
      values.push_back(point.value);
    }
  }
  if (n.empty() || area.h < 72) return;
  const double key = draw_key(canvas, area, curves);
  const LogAxis x = axis_around(n), y = axis_around(values);
  const LogPlot plot = draw_axes(canvas, {area.x, area.y + key, area.w, area.h - key}, x, y,
                                 {few_ticks(n), tokens_text, text.x_title}, {decimal_ticks(y), text.value, text.y_title});
  for (const TimeCurve& curve : curves) {
    Polyline line{.points = {}, .color = curve.color, .width = curve.is_dashed ? 1.25 : 1.75, .is_closed = false, .fill = {}};
    if (curve.is_dashed) line.dash = 4;
    for (const CurvePoint& point : curve.points)
      line.points.push_back(plot.at(point.n, point.value));
    const bool has_markers = line.points.size() < 48;
    const std::vector<Point> places = line.points;
    if (places.size() > 1) canvas.add(std::move(line));
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (has_markers) draw_marker(canvas, places[i], curve.marker, curve.color);
      canvas.hit({.shape = {places[i].x - 5, places[i].y - 6, 10, 12},
                  .tooltip = curve.points[i].tooltip,
                  .click = curve.points[i].click,
                  .double_click = {},
                  .ctrl_click = {},
                  .name = curve.points[i].name});
    }
  }
}

std::string fit_text(const std::optional<PowerFit>& fit) {
  if (!fit) return "";
  return "\n∝ n^" + fixed(fit->exponent, 2) + ", fitted over " + count_text(fit->n_points) + " points";
}

/// Time of each step but the first, or its counted work where nothing was measured.
class StepTimes {
 public:
  StepTimes(Canvas& canvas, const Rect& area, const DecodeLook& look)
      : canvas_(canvas), area_(area), look_(look), has_times_(look.step.cached.ms > 0) {}

  void draw() {
    const std::string detail = has_times_ ? "each step measured, over the tokens read" : "counted, over the tokens read";
    const double title = canvas_.panel_title({area_.x, area_.y}, has_times_ ? "TIME A TOKEN" : "WORK A TOKEN", detail, area_.w) + 6;
    const Rect below{area_.x, area_.y + title, area_.w, area_.h - title};
    if (look_.run.steps.size() < 2) {
      canvas_.paragraph(below,
                        "The first step reads the whole prompt; from the second on each reads one token: then a line begins here.",
                        canvas_.small(), 4);
      return;
    }
    const DecodeSigns signs = decode_signs(canvas_.theme());
    const DecodeRun& run = look_.run;
    std::vector<TimeCurve> curves{
        curve("with the cache", signs.cached, Marker::kDisc, run.cached_time,
              [&](const DecodeStep& step) { return value(step.cached); }),
        curve("without", signs.whole, Marker::kSquare, run.whole_time,
              [&](const DecodeStep& step) { return step.whole ? value(*step.whole) : 0; }),
    };
    if (has_times_ && area_.h >= 150) {
      curves.push_back(curve("attention alone", signs.cached, Marker::kRing, run.cached_attention_time,
                             [](const DecodeStep& step) { return step.cached.attention_ms; }));
      curves.push_back(curve("attention alone, without", signs.whole, Marker::kHollowTriangle, run.whole_attention_time,
                             [](const DecodeStep& step) { return step.whole ? step.whole->attention_ms : 0; }));
      curves[2].is_dashed = curves[3].is_dashed = true;
    }
    draw_curves(canvas_, below, curves, {.y_title = "", .x_title = "n, tokens read", .value = has_times_ ? short_ms : flop_text});
  }

 private:
  double value(const StepCost& cost) const { return has_times_ ? cost.ms : cost.flops; }

  TimeCurve curve(const std::string& name, Color color, Marker marker, const std::optional<PowerFit>& fit,
                  const std::function<double(const DecodeStep&)>& value_of) const {
    TimeCurve made{.name = name, .color = color, .marker = marker, .is_dashed = false, .points = {}, .fit = fit};
    for (std::size_t i = 1; i < look_.run.steps.size(); ++i) {
      const DecodeStep& step = *look_.run.steps[i];
      const double y = value_of(step);
      if (!(y > 0)) continue;
      std::string tip = "step " + count_text(static_cast<std::int64_t>(i) + 1) + ", " + count_text(step.position) +
                        " tokens read\n" + name + ": " + (has_times_ ? ms_text(y) + ", measured" : flop_text(y) + ", counted") +
                        fit_text(fit);
      made.points.push_back({static_cast<double>(step.position), y, std::move(tip), "decode time " + name + " " + std::to_string(i),
                             DecodeStepSet{static_cast<std::int64_t>(i)}});
    }
    return made;
  }

  Canvas& canvas_;
  Rect area_;
  const DecodeLook& look_;
  bool has_times_;
};

TimeCurve growth_curve(const std::string& name, const DecodeGrowthSeries& series, double DecodeGrowthPoint::*value) {
  TimeCurve curve{.name = name, .color = {}, .marker = Marker::kDisc, .is_dashed = false, .points = {}, .fit = {}};
  curve.fit = value == &DecodeGrowthPoint::ms ? series.time : series.attention_time;
  for (const DecodeGrowthPoint& point : series.points) {
    if (!(point.*value > 0)) continue;
    curve.points.push_back({static_cast<double>(point.n),
                            point.*value,
                            "one more token after " + count_text(point.n) + "\n" + name + ": " + ms_text(point.*value) +
                                ", measured" + fit_text(curve.fit),
                            "decode growth " + name + " " + std::to_string(point.n),
                            {}});
  }
  return curve;
}

/// Why a series ends early, and where the model's positions end; at most two lines. Returns the height used.
double draw_notes(Canvas& canvas, const Rect& area, const DecodeGrowth& growth) {
  std::string text;
  for (const std::string& note : {growth.cached.note, growth.whole.note})
    if (!note.empty() && text.find(note) == std::string::npos) text += (text.empty() ? "" : " ") + note;
  if (growth.known_positions > 0 && !growth.cached.points.empty() && growth.cached.points.back().n > growth.known_positions)
    text += std::string(text.empty() ? "" : " ") + "The model knows " + count_text(growth.known_positions) +
            " positions: beyond, only the time means something.";
  if (text.empty() || area.h < 160) return 0;
  const std::size_t lines = std::min<std::size_t>(3, canvas.wrap(text, canvas.faint(), area.w).size());
  const double height = static_cast<double>(lines) * kSmallLine;
  canvas.paragraph({area.x, area.y + area.h - height, area.w, 0}, text, canvas.faint(), lines);
  canvas.hit({.shape = {area.x, area.y + area.h - height, area.w, height},
              .tooltip = "Where the lines end\n" + text,
              .click = {},
              .double_click = {},
              .ctrl_click = {},
              .name = "decode growth note"});
  return height + 4;
}

/// What will be measured: the two slopes, greyed.
void draw_promise(Canvas& canvas, const Rect& area, const std::string& failure) {
  const LogAxis x{50, 10000}, y{1, 10000};
  const LogPlot plot =
      draw_axes(canvas, area, x, y, {{64, 256, 1024, 4096}, tokens_text, "n, tokens before it"}, {{}, short_ms, ""});
  const Color grey = canvas.theme().border;
  canvas.line(plot.at(64, 1.5), plot.at(8192, 8), grey, 2);
  canvas.line(plot.at(64, 3), plot.at(8192, 8000), grey, 2);
  TextStyle style = canvas.small();
  if (!failure.empty()) style.color = canvas.theme().warning;
  const std::string text =
      !failure.empty() ? "Not measured: " + failure
                       : "“Measure time over n” times one more token after 64 to 8,192 others: with the cache its time grows "
                         "with n at most, without it with n² in attention.";
  const double w = std::min(280.0, plot.rect.w - 24), lines = static_cast<double>(canvas.wrap(text, style, w).size());
  if (w < 100 || lines * kSmallLine + 12 > plot.rect.h) return;
  const Rect box{plot.rect.x + 12, plot.rect.y + (plot.rect.h - lines * kSmallLine) / 2, w, lines * kSmallLine};
  canvas.fill({box.x - 6, box.y - 6, box.w + 12, box.h + 12}, canvas.theme().panel, 5);
  canvas.paragraph({box.x, box.y, box.w, 0}, text, style, static_cast<std::size_t>(lines));
}

}  // namespace

void draw_decode_time(Canvas& canvas, const Rect& area, const DecodeLook& look) { StepTimes(canvas, area, look).draw(); }

void draw_decode_growth(Canvas& canvas, const Rect& area, const DecodeState& state) {
  const DecodeGrowth* growth = state.growth ? state.growth->growth.get() : nullptr;
  const bool is_stale = state.growth && !(state.growth->request == decode_growth_request(canvas.input().session));
  std::string detail = "not measured yet";
  if (growth != nullptr)
    detail = "measured, " + count_text(growth->threads) + (growth->threads == 1 ? " thread" : " threads") +
             (is_stale ? ", of an earlier session" : "");
  const double title = canvas.panel_title({area.x, area.y}, "TIME OVER n", detail, area.w) + 6;
  const Rect below{area.x, area.y + title, area.w, area.h - title};
  if (growth == nullptr) {
    draw_promise(canvas, below, state.failure(DecodePart::kGrowth));
    return;
  }
  const DecodeSigns signs = decode_signs(canvas.theme());
  std::vector<TimeCurve> curves{growth_curve("with the cache", growth->cached, &DecodeGrowthPoint::ms),
                                growth_curve("without", growth->whole, &DecodeGrowthPoint::ms),
                                growth_curve("attention alone", growth->cached, &DecodeGrowthPoint::attention_ms),
                                growth_curve("attention alone, without", growth->whole, &DecodeGrowthPoint::attention_ms)};
  constexpr std::array markers{Marker::kDisc, Marker::kSquare, Marker::kRing, Marker::kHollowTriangle};
  for (std::size_t i = 0; i < curves.size(); ++i) {
    curves[i].color = i % 2 == 0 ? signs.cached : signs.whole;
    curves[i].marker = markers[i];
    curves[i].is_dashed = i >= 2;
  }
  const double notes = draw_notes(canvas, below, *growth);
  draw_curves(canvas, {below.x, below.y, below.w, below.h - notes}, curves,
              {.y_title = "", .x_title = "n, tokens before it", .value = short_ms});
}

}  // namespace headroom
