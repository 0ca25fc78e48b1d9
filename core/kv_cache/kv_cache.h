#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "core/attention/backend.h"
#include "core/kv_cache/options.h"
#include "core/kv_cache/page_pool.h"

namespace headroom {

/// What a cache has to hold, whatever model it comes from.
struct CacheShape {
  std::vector<std::int64_t> n_kv_heads;  ///< of each layer: pruned models differ; 0 where no head is left
  std::int64_t d_head = 1;               ///< in [1, kMaxDHead]

  bool operator==(const CacheShape&) const = default;
};
/// Bytes of one token in all layers, keys and values, scales among them. Errors  Error for a shape that cannot be.
std::int64_t token_bytes(const CacheShape& shape, KvType type);

/// One page of a sequence, or the one stretch of a contiguous cache.
struct PageUse {
  PageId page = 0;
  std::int64_t rows = 0;       ///< tokens it has room for
  std::int64_t rows_used = 0;  ///< of them with a token of this sequence
  std::int64_t n_sharers = 1;  ///< sequences that hold it, this one among them

  bool operator==(const PageUse&) const = default;
};

/// Where a row of one head goes. Shapes  k, v [d_head].
struct CachedRow {
  std::span<float> k, v;
};

/// The rows of one call: tokens that follow each other.
struct CacheCall {
  ConstHeadsView q;  ///< [1, n_heads, rows, d_head], rotated where the model rotates
  ConstHeadsView k;  ///< [1, n_kv_heads, rows, d_head]
  ConstHeadsView v;  ///< [1, n_kv_heads, rows, d_head]
  /// out [1, n_heads, rows, d_head]; logsumexp [n_heads, rows]; probs empty, or of the last row over the slots then held:
  /// [n_heads, n_held(layer)], slot s of head h being the token at positions(layer, kv_head of h)[s]. `work` is filled when set.
  AttentionOutputs outputs;
};

/// Keys and values of one sequence, kept in one of several ways, and attention over them where they lie.
///
/// A token's key and value lie in a slot, the same in all layers and heads of a cache that keeps all tokens (slot = position); an evicting
/// cache puts a new token where it gave up an old one, under kHeavyHitters in a slot of each head's own choice. A page holds
/// `page_rows` slots of all layers.
///
/// What is given up: before a token asks, the cache holds it and what its options keep beside it. kHeavyHitters: a K/V head gives up, of the
/// tokens that are not among its newest `window`, the one that was given least probability so far, summed over all queries and query heads
/// that read it; of equals the oldest. So no answer depends on how a text was cut into calls (but for rounding).
///
/// Units   bytes are exact: what is kept, scales included.
/// Threads One call at a time, of all sequences that share pages or were forked.
class KvCache {
 public:
  /// Paged caches of one pool share its pages, which must be page_bytes(shape, options) large; without one a cache has pages of its own.
  /// Errors  Error as validate(options), or for a shape that cannot be; ShapeError when the pool's pages have another size.
  KvCache(CacheShape shape, const KvCacheOptions& options, ThreadPool& threads, std::shared_ptr<PagePool> pool = nullptr);
  KvCache(KvCache&& other) noexcept;
  KvCache& operator=(KvCache&& other) noexcept;
  ~KvCache();

  const CacheShape& shape() const;
  const KvCacheOptions& options() const;

  /// Room for this many tokens (an evicting cache: for as many as it keeps), so that a contiguous cache need not grow; a paged one only
  /// makes sure that there could be pages. Errors  Error with the bytes needed and free when there is no such room.
  void reserve(std::int64_t n_tokens);

  /// Keeps the keys and values of the layer's next tokens; none of them asks. Shapes  k, v [1, n_kv_heads, rows, d_head].
  /// Errors  ShapeError; Error when there is no memory or no page left: what was kept before is still there, and of the rows of this
  ///         call an evicting cache may have kept the first ones.
  void append(std::int64_t layer, ConstHeadsView k, ConstHeadsView v);
  /// Keeps the layer's next tokens and lets each ask all tokens held that stand before it, and itself.
  ///
  /// Of `config` batch is 1 and n_heads, n_kv_heads and d_head fit; the mask must be causal and leave each row an unbroken range of
  /// positions (a contiguous cache of floats that keeps all takes every causal pattern). Lengths, offset and storage are set here.
  /// Errors  as append; ShapeError; Cancelled, when the layer may have kept some of the rows: clear() or drop the cache.
  void attend(std::int64_t layer, const AttentionConfig& config, const CacheCall& call, std::stop_token stop = {});

  /// Tokens that the layer has read, and how many of them it holds. Without a layer: of the layer that is furthest behind, of those that
  /// have heads.
  std::int64_t n_seen(std::int64_t layer) const;
  std::int64_t n_held(std::int64_t layer) const;
  std::int64_t n_seen() const;
  std::int64_t n_held() const;
  /// What n_held(layer) will be after so many more tokens.
  std::int64_t n_held_after(std::int64_t layer, std::int64_t n_more) const;

  /// The position of the token in each slot. Shape  [n_held(layer)].
  std::vector<std::int32_t> positions(std::int64_t layer, std::int64_t kv_head) const;
  /// The positions of all tokens read and no longer held, ascending.
  std::vector<std::int32_t> evicted(std::int64_t layer, std::int64_t kv_head) const;
  /// The token that made room for the newest one; nothing where none had to.
  std::optional<std::int32_t> gave_up(std::int64_t layer, std::int64_t kv_head) const;
  /// kHeavyHitters: the probability each slot's token was given so far. Shape  [n_held(layer)]; else empty.
  std::span<const double> received(std::int64_t layer, std::int64_t kv_head) const;
  /// The row in a slot, as float32. Errors  ShapeError when there is none.
  void read_row(std::int64_t layer, std::int64_t kv_head, std::int64_t slot, CachedRow to) const;

  /// Bytes of the tokens that one head holds, keys and values.
  std::int64_t bytes_held(std::int64_t layer, std::int64_t kv_head) const;
  std::int64_t bytes_used() const;      ///< of all layers and heads
  std::int64_t bytes_reserved() const;  ///< of the memory they lie in: whole pages, shared ones in full; what is not used is wasted
  /// Pages in the order of slots; of a contiguous cache its one stretch, page 0.
  std::vector<PageUse> page_table() const;

  /// A second sequence that goes on from here. Pages are shared until one of the two writes into one: then that one gets a copy of it. A
  /// contiguous cache is copied whole. Errors  Error when there is no memory for that.
  KvCache fork() const;
  /// Forgets all tokens; pages go back to their pool.
  void clear();

 private:
  struct State;
  explicit KvCache(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Bytes of one page of such a cache: page_rows tokens. Errors  as KvCache.
std::int64_t page_bytes(const CacheShape& shape, const KvCacheOptions& options);

}  // namespace headroom
