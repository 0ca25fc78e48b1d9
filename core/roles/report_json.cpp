#include <nlohmann/json.hpp>

#include "core/roles/report.h"

namespace headroom {

std::string roles_json(const HeadReport& report) {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  for (const RoleScore& score : report.roles) {
    if (score.n_cases == 0) continue;
    nlohmann::ordered_json& one = all[score.role->id];
    one["score"] = score.score;
    if (score.role->has_baseline) {
      one["baseline"] = score.baseline;
    } else {
      one["baseline"] = nullptr;
    }
    one["chance"] = score.chance;
    one["cases"] = score.n_cases;
    one["head"] = name_of(score.head, score.role->stack);
    one["threshold"] = score.role->threshold;
    one["passed"] = score.names_head();
    one["why"] = score.why();
  }
  return all.dump();
}

std::string behaviours_json(const HeadReport& report) {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  for (const BehaviourScore& score : report.behaviours)
    all[std::string(behaviour_id(score.behaviour))] = {
        {"accuracy", score.accuracy}, {"chance", score.chance}, {"cases", score.n_cases}};
  return all.dump();
}

}  // namespace headroom
