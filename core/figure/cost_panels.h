#pragma once

#include <string>
#include <vector>

#include "core/figure/canvas.h"
#include "core/figure/cost_text.h"

namespace headroom {

/// A plan as a panel draws it.
struct PlanPart {
  const PlanCost& cost;
  PlanSide side = PlanSide::kFirst;
};
/// Why nothing fits or is computed, then notices: what stands between a person and the numbers. Returns the height used.
double draw_plan_notes(Canvas& canvas, const Rect& area, const PlanCost& cost);

/// One large number of a plan.
struct PlanFact {
  std::string key;    ///< "largest_batch"
  std::string text;   ///< "118"
  std::string label;  ///< "texts at once fit"
  std::string basis;  ///< "computed", "at best, estimated"
  std::string tooltip;
};
std::vector<PlanFact> plan_facts(const PlanCost& cost);
/// In rows of as many as have room. Returns the height used.
double draw_plan_facts(Canvas& canvas, const Rect& area, const PlanPart& part);

/// The device's memory as one bar with its legend. `full` bytes are as wide as the area: pass the same for bars that are compared. Returns the
/// height used.
double draw_plan_memory(Canvas& canvas, const Rect& area, const PlanPart& part, double full);
/// Bytes that such a bar must hold: the device's, or more where the plan needs more.
double memory_extent(const PlanCost& cost);

/// Tokens a second over the texts at once, with both bounds, where it turns and where memory ends; of two plans, their curves alone.
void draw_plan_batches(Canvas& canvas, const Rect& area, const std::vector<PlanPart>& parts);
/// Bytes of K and V over the tokens of each text, and the room for them.
void draw_plan_contexts(Canvas& canvas, const Rect& area, const std::vector<PlanPart>& parts);

/// The same plan with one thing changed, a row each: what it saves. A click takes it. Returns the height used.
double draw_plan_choices(Canvas& canvas, const Rect& area, const PlanPart& part);
/// The arithmetic of what the plan mostly does (a step of decoding, or reading a text), as many lines as have room.
void draw_plan_arithmetic(Canvas& canvas, const Rect& area, const PlanPart& part);
/// Two plans figure by figure.
void draw_plan_differences(Canvas& canvas, const Rect& area, const PlanCost& first, const PlanCost& second);

}  // namespace headroom
