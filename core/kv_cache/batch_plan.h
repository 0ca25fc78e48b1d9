#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace headroom {

/// Many requests that share the memory of one machine. What is random is drawn from `seed` alone: the same plan gives the same run.
struct BatchPlan {
  std::int64_t n_requests = 64;   ///< in [1, 4096]
  double memory_mib = 8;          ///< for K and V of all of them; in (0, 1e9]
  std::int64_t max_tokens = 256;  ///< of one request, prompt and answer: what a contiguous cache reserves; in [1, 1e6]
  std::int64_t prompt_least = 16, prompt_most = 96;  ///< tokens of a prompt, each number as likely; the shared ones among them
  std::int64_t answer_least = 8, answer_most = 160;  ///< tokens of an answer, each number as likely
  std::int64_t shared_prefix = 0;                    ///< tokens that all prompts begin with
  double arrivals = 0;  ///< requests a step on average, as a Poisson process; 0: all are there at the first
  std::uint64_t seed = 1;

  bool operator==(const BatchPlan&) const = default;
};

/// The nearest plan that can be run; `why` gets a sentence for each value that was changed, where it is set.
BatchPlan settle(const BatchPlan& plan, std::string* why = nullptr);

}  // namespace headroom
