#include "core/runs/batch_feed.h"

#include <algorithm>
#include <numeric>

#include "core/training/batches.h"

namespace headroom {

Batch BatchFeed::make(std::int64_t pass) const {
  const BatchRows rows{Stream::kTraining, plan_.seed, pass * plan_.rows_per_step, plan_.rows_per_step};
  if (material_.parallel) return parallel_batch(*material_.parallel, rows, {.unknown_share = plan_.data.unknown_share});
  if (plan_.form.kind == ModelKind::kMasked) {
    MaskedOptions options;
    options.length = plan_.row_length;
    options.unknown_share = plan_.data.unknown_share;
    options.chosen_share = plan_.data.hidden_share;
    return masked_batch(*material_.corpus, rows, options);
  }
  return causal_batch(*material_.corpus, rows, {.length = plan_.row_length, .unknown_share = plan_.data.unknown_share});
}

Batch& BatchFeed::at(std::int64_t pass) {
  if (pass < first_ || pass >= first_ + std::ssize(ready_)) {
    // Enough for every thread to have several, and for one whole step.
    const std::int64_t n = std::max<std::int64_t>(plan_.accumulation, 4 * pool_.n_threads());
    ready_.resize(static_cast<std::size_t>(n));
    first_ = pass;
    pool_.parallel_for(n, [&](std::int64_t i, int) { ready_[static_cast<std::size_t>(i)] = make(pass + i); });
  }
  return ready_[static_cast<std::size_t>(pass - first_)];
}

std::int64_t counted_targets(const Batch& batch) {
  return std::ranges::count_if(batch.targets, [](std::int32_t target) { return target >= 0; });
}

std::int64_t seen_tokens(const Batch& batch) {
  if (batch.source_seq == 0) return batch.n_tokens();
  return std::accumulate(batch.source_lengths.begin(), batch.source_lengths.end(), counted_targets(batch));
}

}  // namespace headroom
