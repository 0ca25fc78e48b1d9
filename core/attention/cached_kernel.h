#pragma once

#include <cstdint>
#include <span>

#include "core/attention/cached_call.h"
#include "core/attention/flash_plan.h"

namespace headroom::cached_detail {

/// One call with its unpruned heads, those of each K/V head side by side.
struct CachedTask {
  const CachedCall& call;
  std::span<const flash_detail::HeadGroup> groups;
  std::span<const std::int64_t> heads;
};

/// What one thread computes at a time: all heads of some queries over a stretch of slots.
struct CachedItem {
  KeyRange queries, slots;
};

/// False where this machine has no vectors: then run_plain_head is what there is.
bool has_cached_kernel();
/// Floats of scratch memory that one thread needs for items of so many queries.
std::size_t cached_scratch_size(const CachedTask& task, std::int64_t n_queries);
/// Adds to `work` what it did. Where probabilities are wanted, the last query's scores in base 2 are written to their place.
/// Shapes  partial [rows, d_head + 2]: group after group, its queries, of each all heads; the sums of the values, the largest score in base
///         2, and the sum of the weights.
void run_cached_item(const CachedTask& task, const CachedItem& item, std::span<float> partial, std::span<float> scratch,
                     AttentionWork& work);
/// Scores in base 2 become probabilities, given the logarithm of their sum; minus infinity becomes 0.
void finish_probs(std::span<float> scores, float log2_sum);

}  // namespace headroom::cached_detail
