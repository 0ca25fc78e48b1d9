#include <array>
#include <utility>

#include "core/cost/plan_cost.h"
#include "core/cost/thousands.h"

namespace headroom {
namespace {

constexpr std::array kCompared{"memory",
                               "bandwidth",
                               "peak",
                               "largest_batch",
                               "largest_context",
                               "fewest_devices",
                               "memory_weights",
                               "memory_kv",
                               "memory_kv_used",
                               "memory_total",
                               "step_s",
                               "tokens_per_s",
                               "tokens_per_s_bandwidth",
                               "tokens_per_s_compute",
                               "matrices_turning_batch",
                               "turning_batch",
                               "first_token_s",
                               "prompt_tokens_per_s"};

std::string ratio_text(double first, double second) {
  if (first == second) return "the same";
  if (first == 0 || second == 0) return "";
  const double ratio = second / first;
  if (ratio >= 1) return decimal_text(ratio, ratio < 9.995 ? 2 : ratio < 99.95 ? 1 : 0) + " times";
  return decimal_text(100 * ratio, 1) + " %";
}

}  // namespace

std::vector<PlanDifference> compare_plans(const PlanCost& first, const PlanCost& second) {
  std::vector<PlanDifference> differences;
  for (const char* key : kCompared) {
    const CostLine *const a = first.find(key), *const b = second.find(key);
    if (a == nullptr && b == nullptr) continue;
    PlanDifference difference;
    difference.key = key;
    difference.label = (a != nullptr ? a : b)->label;
    difference.first = a != nullptr ? a->result : "";
    difference.second = b != nullptr ? b->result : "";
    if (a != nullptr && b != nullptr) {
      difference.ratio = a->value != 0 ? b->value / a->value : 0;
      difference.text = ratio_text(a->value, b->value);
    }
    differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace headroom
