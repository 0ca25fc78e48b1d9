#include "core/kv_cache/batch_plan.h"

#include "core/kv_cache/settle_value.h"

namespace headroom {
BatchPlan settle(const BatchPlan& plan, std::string* why) {
  constexpr std::int64_t kOne = 1, kMostTokens = 1'000'000;
  BatchPlan settled = plan;
  settle_value(settled.n_requests, kOne, std::int64_t{4096}, "The number of requests", why);
  settle_value(settled.memory_mib, 1e-3, 1e9, "The memory in MiB", why);
  settle_value(settled.max_tokens, std::int64_t{2}, kMostTokens, "The longest request", why);
  settle_value(settled.prompt_least, kOne, settled.max_tokens - 1, "The shortest prompt", why);
  settle_value(settled.prompt_most, settled.prompt_least, settled.max_tokens - 1, "The longest prompt", why);
  const std::int64_t longest_answer = settled.max_tokens - settled.prompt_most;
  settle_value(settled.answer_least, kOne, longest_answer, "The shortest answer", why);
  settle_value(settled.answer_most, settled.answer_least, longest_answer, "The longest answer", why);
  settle_value(settled.shared_prefix, std::int64_t{0}, settled.prompt_least, "The shared beginning", why);
  settle_value(settled.arrivals, 0.0, 1e6, "The number of arrivals", why);
  return settled;
}

}  // namespace headroom
