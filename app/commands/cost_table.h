#pragma once

#include <string>
#include <vector>

#include "core/cost/plan_cost.h"

namespace headroom {

/// What a plan comes to, for a terminal: each figure with where it is from and its arithmetic, then what each choice would change.
std::string cost_text(const PlanCost& cost);
/// Two plans side by side, and what the second is of the first.
std::string comparison_text(const PlanCost& first, const PlanCost& second);
/// The devices that there are, one a line.
std::string devices_text(const std::vector<Device>& devices);

}  // namespace headroom
