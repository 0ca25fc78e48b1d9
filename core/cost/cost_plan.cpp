#include "core/cost/cost_plan.h"

#include "core/cost/card.h"
#include "core/kv_cache/options.h"
#include "core/kv_cache/settle_value.h"

namespace headroom {

CostPlan settle(const CostPlan& plan, std::string* why) {
  constexpr std::int64_t kNone = 0, kOne = 1;
  CostPlan settled = plan;
  settle_value(settled.context, kOne, kMaxCardContext, "The context", why);
  settle_value(settled.batch, kOne, kMaxPlanBatch, "The batch", why);
  settle_value(settled.tensor_parallel, kOne, kMaxPlanDevices, "The number of devices", why);
  settle_value(settled.n_kv_heads, kNone, std::int64_t{1} << 20, "The number of K/V heads", why);
  settle_value(settled.window, kNone, kMaxCardContext, "The window", why);
  settle_value(settled.page_rows, kNone, kMaxPageRows, "The page", why);
  return settled;
}

}  // namespace headroom
