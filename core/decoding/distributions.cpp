#include "core/decoding/distributions.h"

#include <algorithm>
#include <cmath>

namespace headroom {

double log_sum_exp(std::span<const float> logits) {
  double largest = -INFINITY;
  for (const float logit : logits)
    largest = std::max(largest, static_cast<double>(logit));
  if (largest == -INFINITY) return largest;
  double sum = 0;
  for (const float logit : logits)
    sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

double probability_of(std::span<const float> logits, std::int32_t id) {
  const double logit = logits[static_cast<std::size_t>(id)];
  return logit == -INFINITY ? 0 : std::exp(logit - log_sum_exp(logits));
}

std::int32_t most_probable(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i)
    if (logits[i] > logits[best] || (std::isnan(logits[best]) && !std::isnan(logits[i]))) best = i;
  return static_cast<std::int32_t>(best);
}

double divergence(std::span<const float> logits_p, std::span<const float> logits_q) {
  const double all_p = log_sum_exp(logits_p), all_q = log_sum_exp(logits_q);
  double sum = 0;
  for (std::size_t i = 0; i < logits_p.size(); ++i) {
    if (logits_p[i] == -INFINITY) continue;
    const double log_p = static_cast<double>(logits_p[i]) - all_p;
    sum += std::exp(log_p) * (log_p - (static_cast<double>(logits_q[i]) - all_q));
  }
  return sum < 0 ? 0 : sum;  // rounding; NaN stays
}

}  // namespace headroom
