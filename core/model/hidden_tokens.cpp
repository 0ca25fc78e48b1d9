#include "core/model/hidden_tokens.h"

#include <algorithm>
#include <mutex>

#include "core/attention/counter_hash.h"
#include "core/model/lane.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint32_t kPercentHidden = 15;

ForwardTrace logits_only(const ModelParams& params, std::span<const std::int32_t> ids, Lane& lane, ForwardOptions options) {
  options.keep = ForwardOptions::Keep::kLogitsOnly;
  return forward(params, ids, *lane.attention, lane.pool, options);
}

}  // namespace

Tensor hidden_token_logits(const ModelParams& params, std::span<const std::int32_t> ids, std::int32_t mask_id, ThreadPool& pool,
                           const ForwardOptions& options) {
  Tensor logits({std::ssize(ids), params.config.shape.vocab_size}, Fill::kNone);
  std::vector<Lane> lanes(static_cast<std::size_t>(pool.n_threads()));
  pool.parallel_for(
      std::ssize(ids),
      [&](std::int64_t i, int thread) {
        std::vector<std::int32_t> hidden(ids.begin(), ids.end());
        hidden[static_cast<std::size_t>(i)] = mask_id;
        const ForwardTrace trace = logits_only(params, hidden, lanes[static_cast<std::size_t>(thread)], options);
        std::ranges::copy(trace.logits.row(i), logits.row(i).begin());
      },
      options.stop);
  return logits;
}

std::vector<std::int64_t> hidden_positions(std::size_t row, std::int64_t length) {
  std::vector<std::int64_t> hidden;
  std::int64_t lowest = 1;
  std::uint32_t lowest_hash = UINT32_MAX;
  for (std::int64_t i = 1; i < length; ++i) {
    const std::uint32_t hash = counter_hash(1, {static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(i)});
    if (hash % 100 < kPercentHidden) hidden.push_back(i);
    if (hash < lowest_hash) {
      lowest = i;
      lowest_hash = hash;
    }
  }
  if (hidden.empty() && length > 1) hidden.push_back(lowest);
  return hidden;
}

HiddenLoss mean_hidden_loss(const ModelParams& params, std::span<const std::vector<std::int32_t>> rows, std::int32_t mask_id,
                            ThreadPool& pool, const ForwardOptions& options, const std::function<void(double)>& progress) {
  std::vector<Lane> lanes(static_cast<std::size_t>(pool.n_threads()));
  std::vector<double> sums(rows.size());
  std::vector<std::int64_t> counts(rows.size());
  std::mutex progress_mutex;
  std::size_t n_done = 0;
  const auto measure = [&](std::int64_t item, int thread) {
    const auto r = static_cast<std::size_t>(item);
    const std::vector<std::int64_t> positions = hidden_positions(r, std::ssize(rows[r]));
    if (!positions.empty()) {
      std::vector<std::int32_t> hidden = rows[r];
      for (const std::int64_t position : positions)
        hidden[static_cast<std::size_t>(position)] = mask_id;
      const Tensor logits = logits_only(params, hidden, lanes[static_cast<std::size_t>(thread)], options).logits;
      const std::vector<double> losses = hidden_token_losses(logits, rows[r]);
      for (const std::int64_t position : positions)
        sums[r] += losses[static_cast<std::size_t>(position)];
      counts[r] = std::ssize(positions);
    }
    if (!progress) return;
    const std::lock_guard lock(progress_mutex);
    progress(static_cast<double>(++n_done) / static_cast<double>(rows.size()));
  };
  pool.parallel_for(std::ssize(rows), measure, options.stop);
  // In the order of rows, so that the answer does not depend on which thread was faster.
  HiddenLoss mean;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    mean.loss += sums[r];
    mean.n_tokens += counts[r];
  }
  if (mean.n_tokens == 0) throw Error("no row has two tokens, so there is nothing to hide");
  mean.loss /= static_cast<double>(mean.n_tokens);
  return mean;
}

}  // namespace headroom
