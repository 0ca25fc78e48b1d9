#include "app/window/program_state.h"
#include "core/session/costs.h"
#include "core/tensor/parallel.h"

namespace headroom {

void Program::State::follow_session_in_costs() {
  if (session().view.stage != StageView::kCost || is_costing) return;  // the answer asks again
  const CostRequest request = cost_request(session(), model.costs);
  if (costed == request) return;
  costed = request;
  is_costing = true;
  files.post(
      [this, request, assets = options.engine.assets, known = model.costs]() -> Background::Then {
        const CostState found = compute_costs(request, assets, known);
        return [this, found] {
          is_costing = false;
          const CostState now = std::exchange(model.costs, found);
          model.costs.this_machine = now.this_machine;  // it may have been measured meanwhile
          model.costs.is_measuring = now.is_measuring;
          model.costs.measure_problem = now.measure_problem;
          follow_session_in_costs();
        };
      },
      [this](const std::string& sentence) {
        is_costing = false;
        tell(Toast::Kind::kError, sentence);
      });
}

void Program::State::measure_this_machine() {
  if (model.costs.is_measuring) return;
  model.costs.is_measuring = true;
  model.costs.measure_problem.clear();
  measures.post(
      [this, n_threads = options.engine.n_threads]() -> Background::Then {
        ThreadPool pool(n_threads);
        const Device measured = headroom::measure_this_machine(pool);
        return [this, measured] {
          model.costs.is_measuring = false;
          model.costs.this_machine = measured;
          follow_session_in_costs();
        };
      },
      [this](const std::string& sentence) {
        model.costs.is_measuring = false;
        model.costs.measure_problem = sentence;
      });
}

}  // namespace headroom
