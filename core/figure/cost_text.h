#pragma once

#include <string>

#include "core/cost/plan_cost.h"
#include "core/session/action.h"

namespace headroom {

/// Which of the two plans of a session a part is about.
enum class PlanSide { kFirst, kSecond };
/// The session's plans with this one in the place of that side's.
CostPlanSet with_plan(const Session& session, PlanSide side, const CostPlan& plan);

/// "LLaMA 2 70B on 8 × NVIDIA H100 SXM"
std::string plan_title(const PlanCost& cost);
/// "8 texts at once · 4,096 tokens each · weights int8 · K/V float16 · …": everything that a plan chooses.
std::string plan_choices_text(const CostPlan& plan);
/// "1,240 tokens/s", "0.853 tokens/s", "12.0 M tokens/s"
std::string rate_text(double tokens_per_s);

}  // namespace headroom
