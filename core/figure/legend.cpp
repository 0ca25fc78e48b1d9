#include "core/figure/legend.h"

#include <algorithm>
#include <cmath>

#include "core/figure/color_scale.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kGap = 20, kSwatch = 12, kInner = 8;

/// Places pieces from left to right, in as many lines as they need.
class Flow {
 public:
  explicit Flow(const Rect& area) : area_(area), x_(area.x), y_(area.y) {}

  Point next(double width) {
    if (x_ > area_.x && x_ + width > area_.x + area_.w) {
      x_ = area_.x;
      y_ += kSmallLine + 4;
    }
    const Point at{x_, y_};
    x_ += width + kGap;
    return at;
  }
  bool is_new_line() const { return x_ == area_.x; }
  double bottom() const { return y_ + kSmallLine - area_.y; }

 private:
  Rect area_;
  double x_, y_;
};

void place_ramp(Canvas& canvas, const Legend& legend, Flow& flow, const Rect& area, LegendPass pass) {
  const TextStyle number = canvas.small();
  const double low = canvas.width(legend.low, number), high = canvas.width(legend.high, number),
               unit = canvas.width(legend.unit, number);
  const double texts = low + high + unit + 2 * kInner + 4;
  const double ramp = std::clamp(area.w - texts, 40.0, area.w < 480 ? 88.0 : 180.0);
  const Point at = flow.next(texts + ramp);
  if (pass == LegendPass::kMeasure) return;
  const double middle = at.y + kSmallLine / 2;
  double x = at.x;
  canvas.text({x, middle}, legend.low, number);
  x += low + kInner;
  canvas.add(ColorRamp{.rect = {x, middle - 4, ramp, 8}, .colormap = legend.colormap, .coloring = legend.coloring});
  x += ramp + kInner;
  canvas.text({x, middle}, legend.high, number);
  canvas.text({x + high + 4, middle}, legend.unit, number, std::max(1.0, area.x + area.w - x - high - 4));
}

enum class Swatch { kMasked, kPruned, kNotANumber };

struct SwatchPlace {
  Flow& flow;
  LegendPass pass;
};
void place_swatch(Canvas& canvas, const Legend& legend, Swatch swatch, const SwatchPlace& place) {
  const bool is_captured = canvas.input().snapshot != nullptr && canvas.input().snapshot->capture;
  const char* name = swatch == Swatch::kMasked       ? "masked"
                     : swatch == Swatch::kNotANumber ? "NaN"
                     : is_captured                   ? "not captured"
                                                     : "pruned";
  const Point at = place.flow.next(kSwatch + kInner + canvas.width(name, canvas.small()));
  if (place.pass == LegendPass::kMeasure) return;
  const Rect box{at.x, at.y + (kSmallLine - kSwatch) / 2, kSwatch, kSwatch};
  canvas.fill(box,
              swatch == Swatch::kNotANumber ? not_a_number_color(canvas.theme()) : masked_color(canvas.theme(), legend.colormap));
  canvas.outline(box, canvas.theme().border);
  if (swatch == Swatch::kPruned) canvas.add(Hatch{.rect = box, .color = canvas.theme().text_faint, .spacing = 3});
  canvas.text({at.x + kSwatch + kInner, at.y + kSmallLine / 2}, name, canvas.small());
}

}  // namespace

Legend legend_of(const AttentionTile& item) {
  const bool is_scores = item.request.quantity == Quantity::kScores;
  Legend legend{.colormap = item.colormap, .coloring = item.coloring, .low = {}, .high = {}, .unit = {}, .sentences = {}};
  const std::string name = is_scores ? "score, nats" : "probability";
  if (item.coloring == Coloring::kDiverging) {
    legend.low = "−" + fixed(item.value_max, 2);
    legend.high = "+" + fixed(item.value_max, 2);
    legend.unit = "difference of probability";
  } else if (item.scale == ColorScale::kPerRow) {
    legend.low = is_scores ? "row's lowest" : "0";
    legend.high = "row's highest";
    legend.unit = name;
  } else if (item.scale == ColorScale::kLog && !is_scores) {
    legend.low = "≤ " + compact(item.value_max * kLogFloor, 1);
    legend.high = compact(item.value_max, 2);
    legend.unit = name + ", log scale";
  } else {
    legend.low = is_scores ? fixed(item.value_min, 2) : compact(item.value_min, 2);
    legend.high = is_scores ? fixed(item.value_max, 2) : compact(item.value_max, 2);
    legend.unit = name;
    if (item.scale == ColorScale::kLog) legend.sentences.push_back("Scores are logarithms already: their scale stays linear.");
  }
  if (item.first_token == FirstToken::kLeftOut) legend.sentences.push_back("The first token is left out.");
  return legend;
}

double lay_out_legend(Canvas& canvas, const Legend& legend, const Rect& area, LegendPass pass) {
  Flow flow(area);
  place_ramp(canvas, legend, flow, area, pass);
  for (const Swatch swatch : {Swatch::kMasked, Swatch::kPruned, Swatch::kNotANumber}) {
    const bool is_there = swatch == Swatch::kMasked   ? legend.has_masked
                          : swatch == Swatch::kPruned ? legend.has_pruned
                                                      : legend.has_not_numbers;
    if (!is_there) continue;
    place_swatch(canvas, legend, swatch, {flow, pass});
  }
  const TextStyle style = canvas.faint();
  for (const std::string& sentence : legend.sentences) {
    const double width = canvas.width(sentence, style);
    Flow tried = flow;
    if (width <= area.w) {
      const Point at = tried.next(width);
      if (tried.bottom() > area.h) continue;
      if (pass == LegendPass::kDraw) canvas.text({at.x, at.y + kSmallLine / 2}, sentence, style);
      flow = tried;
      continue;
    }
    const std::vector<std::string> lines = canvas.wrap(sentence, style, area.w);
    std::vector<Point> places;
    for (std::size_t i = 0; i < lines.size(); ++i)
      places.push_back(tried.next(area.w));
    if (tried.bottom() > area.h) continue;
    for (std::size_t i = 0; i < lines.size() && pass == LegendPass::kDraw; ++i)
      canvas.text({places[i].x, places[i].y + kSmallLine / 2}, lines[i], style);
    flow = tried;
  }
  return flow.bottom();
}

}  // namespace headroom
