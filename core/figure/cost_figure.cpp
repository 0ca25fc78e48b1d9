#include <algorithm>
#include <cmath>

#include "core/figure/cost_figures.h"
#include "core/figure/cost_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kMargin = 14, kGap = 32, kBetween = 14;
constexpr double kLeastPlot = 190;  ///< height of a plot that says something

/// Where the limits come from, and what kind of figure each is.
std::string provenance(const PlanCost& cost) {
  const Device& device = cost.device;
  std::string text =
      device.basis == Basis::kMeasured
          ? "Bytes and FLOP are computed from the configuration; bandwidth and FLOP/s were measured on this machine; "
          : "Bytes and FLOP are computed from the configuration; the device's limits are its maker's; ";
  text += "times are what both limits allow at best: estimated.";
  if (!device.source.empty()) text += " Device: " + device.source + (device.source.ends_with('.') ? "" : ".");
  return text;
}

/// Name, choices, where the numbers are from, and what is wrong. Returns the height used.
double draw_header(Canvas& canvas, const Rect& area, const PlanPart& part, const char* which) {
  const TextStyle name{.color = canvas.theme().text, .size = kHeadingSize, .face = FontFace::kSansMedium};
  double x = area.x, y = area.y;
  if (*which != '\0') {
    TextStyle label = canvas.small();
    label.color = part.side == PlanSide::kFirst ? canvas.theme().accent : canvas.theme().text;
    x += canvas.text({x, y + 13}, which, label) + 8;
  }
  canvas.text({x, y + 12}, plan_title(part.cost), name, area.x + area.w - x);
  y += 26;
  y += canvas.paragraph({area.x, y, area.w, 0}, plan_choices_text(part.cost.plan), canvas.small(), 2);
  if (part.cost.problem.empty() && *which == '\0')
    y += canvas.paragraph({area.x, y, area.w, 0}, provenance(part.cost), canvas.faint(), 2);
  y += 4;
  return y + draw_plan_notes(canvas, {area.x, y, area.w, std::max(0.0, area.h - (y - area.y)) / 3}, part.cost) - area.y;
}

void draw_one(Canvas& canvas, const Rect& area, const PlanCost& cost) {
  const PlanPart part{cost, PlanSide::kFirst};
  double y = area.y + draw_header(canvas, area, part, "") + 8;
  if (!cost.problem.empty()) return;
  const double bottom = area.y + area.h;
  if (bottom - y < 64) return;
  y += draw_plan_memory(canvas, {area.x, y, area.w, bottom - y}, part, memory_extent(cost)) + kBetween;
  if (bottom - y < 58) return;
  y += draw_plan_facts(canvas, {area.x, y, area.w, bottom - y}, part) + kBetween;
  const double h = bottom - y;
  if (h < 110) return;
  if (area.w < 760) {  // one under the other
    const double plot = std::clamp(h * 0.5, std::min(h, kLeastPlot), 320.0);
    draw_plan_batches(canvas, {area.x, y, area.w, plot}, {part});
    if (h - plot - kBetween > 90) draw_plan_choices(canvas, {area.x, y + plot + kBetween, area.w, h - plot - kBetween}, part);
    return;
  }
  const double right = std::clamp(area.w * 0.6, 480.0, 720.0), left = area.w - right - kGap;
  const bool has_contexts = h >= 2 * kLeastPlot + kBetween;
  const double plot = has_contexts ? std::floor((h - kBetween) * 0.55) : h;
  draw_plan_batches(canvas, {area.x, y, left, plot}, {part});
  if (has_contexts) draw_plan_contexts(canvas, {area.x, y + plot + kBetween, left, h - plot - kBetween}, {part});
  const double used = draw_plan_choices(canvas, {area.x + left + kGap, y, right, h}, part) + kBetween;
  draw_plan_arithmetic(canvas, {area.x + left + kGap, y + used, right, h - used}, part);
}

void draw_two(Canvas& canvas, const Rect& area, const PlanCost& first, const PlanCost& second) {
  const double w = std::floor((area.w - kGap) / 2), bottom = area.y + area.h;
  const double full = std::max(memory_extent(first), memory_extent(second));
  const PlanPart a{first, PlanSide::kFirst}, b{second, PlanSide::kSecond};
  const double top = area.y + 6 +
                     std::max(draw_header(canvas, {area.x, area.y, w, area.h}, a, "first"),
                              draw_header(canvas, {area.x + w + kGap, area.y, w, area.h}, b, "second"));
  const auto column = [&](double x, const PlanPart& part) {
    double y = top;
    if (!part.cost.problem.empty() || bottom - y < 64) return y;
    y += draw_plan_memory(canvas, {x, y, w, bottom - y}, part, full) + 10;
    if (bottom - y >= 58) y += draw_plan_facts(canvas, {x, y, w, std::min(bottom - y, 116.0)}, part);
    return y;
  };
  const double y = std::max(column(area.x, a), column(area.x + w + kGap, b)) + kBetween;
  if (!first.problem.empty() || !second.problem.empty()) return;
  const double h = bottom - y;
  if (h < 110) return;
  const std::vector<PlanPart> parts{a, b};
  if (area.w < 760) {
    draw_plan_differences(canvas, {area.x, y, area.w, h}, first, second);
    return;
  }
  const double right = std::clamp(area.w * 0.54, 440.0, 680.0), left = area.w - right - kGap;
  const bool has_contexts = h >= 2 * kLeastPlot + kBetween;
  const double plot = has_contexts ? std::floor((h - kBetween) * 0.55) : h;
  if (plot >= 130) draw_plan_batches(canvas, {area.x, y, left, plot}, parts);
  if (has_contexts) draw_plan_contexts(canvas, {area.x, y + plot + kBetween, left, h - plot - kBetween}, parts);
  draw_plan_differences(canvas, {area.x + left + kGap, y, right, h}, first, second);
}

}  // namespace

Figure cost_figure(const FigureInput& input, const CostState& state) {
  const std::string title = "What a model costs on a device";
  if (input.size.w < 300 || input.size.h < 160)
    return message_figure(input, title, {title, "There is too little room to show it."});
  if (!state.plan) return message_figure(input, title, {title, "Computing the plan…"});
  Canvas canvas(input, state.beside ? "Two plans compared" : plan_title(state.plan->cost));
  constexpr double kWidest = 1680;
  const double w = std::min(input.size.w - 2 * kMargin, kWidest);
  const Rect area{std::floor((input.size.w - w) / 2), kMargin, w, input.size.h - 2 * kMargin};
  if (state.beside) {
    draw_two(canvas, area, state.plan->cost, state.beside->cost);
  } else {
    draw_one(canvas, area, state.plan->cost);
  }
  return canvas.take();
}

}  // namespace headroom
