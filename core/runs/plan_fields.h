#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/runs/plan.h"

namespace headroom {

using PlanJson = nlohmann::ordered_json;

/// One value of a TrainPlan and its place in a file. Shared by plan_json.cpp and by what sets single values.
struct PlanField {
  std::string path;  ///< "form.n_heads"
  std::function<PlanJson(const TrainPlan&)> get;
  /// Errors  Error saying only what it takes.
  std::function<void(TrainPlan&, const PlanJson&)> put;
};

/// All of them, in the order of the file.
const std::vector<PlanField>& plan_fields();

}  // namespace headroom
