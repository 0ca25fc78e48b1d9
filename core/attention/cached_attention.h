#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>

#include "core/attention/backend.h"
#include "core/attention/cached_rows.h"

namespace headroom {

/// The cache of one layer of one sequence, where it lies: slot s is row s % page_rows of page s / page_rows.
struct CachedPages {
  PageLayout layout;
  std::int64_t n_rows = 0;                  ///< slots in use, from slot 0; 0: an empty cache
  std::span<const std::byte* const> pages;  ///< where this layer's part of each page begins; those of the slots in use at least
  /// [n_kv_heads, n_rows] the position of the token in each slot of each K/V head, in any order; negative: nothing is there. Empty: slot s
  /// holds position s.
  std::span<const std::int32_t> positions;
};

struct CachedOutputs {
  HeadsView out;                  ///< [1, n_heads, seq_q, d_head]
  std::span<float> logsumexp;     ///< [n_heads, seq_q] nats
  std::span<float> probs;         ///< [n_heads, n_rows] of the last query, by slot; or empty
  AttentionWork* work = nullptr;  ///< filled when set
};

/// Softmax attention of few queries over a cache in pages, read where it lies and as it is stored: integers are multiplied with q and with
/// the probabilities as they are, their scales with the score and with the probability. The cache is never unpacked.
///
/// Shapes  q [1, n_heads, seq_q, d_head], query i at the position mask.query_offset + i; pages as config.n_kv_heads and d_head say. Any
///         number of queries; the kernel is made for few.
/// Mask    config.mask asks by position, wherever the tokens lie: query i sees a slot of position p when is_visible(mask, 0, i, p).
///         position_bias likewise. config.seq_k is not read, except that key_bucket has so many entries; nor is kv_storage.
/// Edge    A query that sees no slot, and a pruned head: out = 0, probs = 0, logsumexp = -inf.
/// NaN     As AttentionBackend says, of the values that read_cached_row gives.
/// Bound   With values x' for x, |x - x'| <= scale / 2 (see write_cached_row), e = |score scale| * sum over c of |q_c| * (largest k scale
///         that the query sees) / 2: without a soft cap |logsumexp - logsumexp'| <= e, and each component of out differs by at most
///         (exp(2 e) - 1) * max |v| + max v scale / 2. A soft cap and a position bias change nothing in that.
/// Work    flops are those of the visible pairs, no more; bytes_moved those of each block of queries: every row of the cache that any of
///         its queries sees, once for each K/V head, with its scale; q and out.
/// Errors  ShapeError when config is invalid or asks for dropout or more than one batch entry, or a view has not its shape; Cancelled.
/// Threads One call at a time per object. Stretches of slots are shared out over the pool.
class CachedAttention {
 public:
  explicit CachedAttention(ThreadPool& pool);
  ~CachedAttention();
  CachedAttention(const CachedAttention&) = delete;
  CachedAttention& operator=(const CachedAttention&) = delete;
  CachedAttention(CachedAttention&&) noexcept;
  CachedAttention& operator=(CachedAttention&&) noexcept;

  void run(const AttentionConfig& config, const ConstHeadsView& q, const CachedPages& pages, const CachedOutputs& outputs,
           std::stop_token stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
