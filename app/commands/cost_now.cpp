#include "app/commands/cost_now.h"

#include "core/tensor/error.h"
#include "core/tensor/parallel.h"

namespace headroom {

CostState costs_now(const Session& session, const std::filesystem::path& assets) {
  CostState known;
  if (needs_this_machine(session)) {
    ThreadPool pool;
    known.this_machine = measure_this_machine(pool);
  }
  CostState costs = compute_costs(cost_request(session, known), assets, known);
  if (!costs.library_problem.empty()) throw Error(costs.library_problem);
  for (const auto& planned : {costs.plan, costs.beside})
    if (planned && !planned->cost.problem.empty()) throw Error(planned->cost.problem);
  return costs;
}

}  // namespace headroom
