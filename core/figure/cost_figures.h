#pragma once

#include "core/figure/views.h"
#include "core/session/costs.h"

namespace headroom {

/// The Cost stage: a device's memory under a plan, what fits, tokens a second under both bounds, and what each choice saves; of two plans, both
/// with their differences.
Figure cost_figure(const FigureInput& input, const CostState& state);

/// Every figure of the plan (or of both) with its formula and its numbers, and the assumptions. As tall as it needs to be: input.size.h is at
/// least its height.
Figure cost_arithmetic_figure(const FigureInput& input, const CostState& state);

}  // namespace headroom
