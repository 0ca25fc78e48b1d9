#pragma once

#include <string>
#include <vector>

#include "core/cost/plan_cost.h"

namespace headroom {

/// A plan's figures as JSON, each with its formula, value, unit and basis. With `beside`, both plans and what differs.
std::string plan_json(const PlanCost& plan, const PlanCost* beside = nullptr);
/// The devices as a list.
std::string devices_json(const std::vector<Device>& devices);

}  // namespace headroom
