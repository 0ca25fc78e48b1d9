#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "core/attention/cached_attention.h"
#include "core/kv_cache/cache_memory.h"
#include "core/kv_cache/kv_cache.h"
#include "core/kv_cache/slot_table.h"

namespace headroom {
namespace kv_detail {

/// What answers, shared by forks.
struct Kernels {
  explicit Kernels(ThreadPool& threads) : cached(threads), flash(make_flash_backend(threads)) {}

  CachedAttention cached;
  std::unique_ptr<AttentionBackend> flash;  ///< over one stretch of floats: made for many rows too
};

template <typename T>
BasicHeadsView<T> rows_between(BasicHeadsView<T> heads, std::int64_t begin, std::int64_t end) {
  if (heads.data != nullptr) heads.data += begin * heads.row_stride;
  heads.seq = end - begin;
  return heads;
}

}  // namespace kv_detail

struct KvCache::State {
  State(CacheShape given, const KvCacheOptions& asked, ThreadPool& threads, std::shared_ptr<PagePool> pool);
  /// A fork.
  State(const State& other);

  CacheShape shape;
  KvCacheOptions options;
  std::unique_ptr<CacheMemory> memory;
  std::vector<SlotTable> layers;
  std::shared_ptr<kv_detail::Kernels> kernels;
  std::vector<float> logsumexp, probs;  ///< of a few rows of a call

  /// Errors  ShapeError unless there is such a layer.
  const SlotTable& layer_at(std::int64_t layer) const;
  /// Errors  ShapeError unless there is such a head of it too.
  const SlotTable& layer_of(std::int64_t layer, std::int64_t kv_head) const;
  /// Slots in use in any layer.
  std::int64_t n_slots() const;

  /// Rows of a call, whose layer they are for.
  struct Rows {
    std::int64_t layer = 0, begin = 0, end = 0;
  };
  void check_rows(std::int64_t layer, const ConstHeadsView& k, const ConstHeadsView& v) const;
  void check_call(std::int64_t layer, const AttentionConfig& config, const CacheCall& call) const;
  void keep_rows(std::int64_t layer, const ConstHeadsView& k, const ConstHeadsView& v);
  AttentionWork attend_rows(const Rows& rows, AttentionConfig& config, const CacheCall& call, const std::stop_token& stop);
  void ask(std::int64_t layer, AttentionConfig& config, const CacheCall& rows, const std::stop_token& stop);
  void ask_flash(std::int64_t layer, AttentionConfig& config, const CacheCall& rows, const std::stop_token& stop);
  bool is_one_stretch_of_floats() const {
    return options.layout == CacheLayout::kContiguous && options.eviction == Eviction::kNone &&
           !has_scale(row_format(options.type));
  }
};

}  // namespace headroom
