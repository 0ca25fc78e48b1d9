#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headroom {

enum class Direction { kCausal, kBidirectional };

/// Which pairs a pattern keeps, beside the direction. dense keeps all.
enum class PatternKind { kDense, kLocalWindow, kStrided, kGlobalLocal, kRandomBlocks, kHashedBuckets };

struct MaskPattern {
  PatternKind kind = PatternKind::kDense;
  /// local window, global + local: key j is kept when |i - j| < window (so a causal window holds exactly `window` keys, itself included).
  std::int64_t window = 4;
  /// strided: key j is kept when (i - j) is a multiple of stride, or |i - j| < stride (Child et al. 2019, arXiv:1904.10509).
  std::int64_t stride = 4;
  /// global + local: the first n_global positions see all keys and are seen by all queries (Beltagy et al. 2020, arXiv:2004.05150).
  std::int64_t n_global = 1;
  /// random blocks: positions in blocks of `block`; each query block keeps its own block and blocks_per_row different seeded random ones
  /// before it (all of them where there are no more), see draws_block. A bidirectional row also keeps the later blocks that drew its own.
  /// So no choice depends on the length of the sentence: typing on never reshuffles it (after Zaheer et al. 2020, arXiv:2007.14062).
  std::int64_t block = 4;
  std::int64_t blocks_per_row = 1;
  std::uint64_t seed = 1;
  /// hashed buckets: query i keeps key j when query_bucket[i] == key_bucket[j] (Kitaev et al. 2020, arXiv:2001.04451). One bucket for each
  /// row i of q and for each key j, the same for every batch entry.
  std::vector<std::int32_t> query_bucket;
  std::vector<std::int32_t> key_bucket;

  bool operator==(const MaskPattern&) const = default;
};

inline constexpr std::int64_t kMaxBlocksPerRow = 64;

/// Which keys a query may see.
struct Mask {
  Direction direction = Direction::kCausal;
  /// Position of query 0 on the key axis: the number of keys cached before it. Query i stands at query_offset + i.
  std::int64_t query_offset = 0;
  MaskPattern pattern;
  /// Number of real keys of each batch entry; the rest is padding. Empty: all keys are real.
  std::vector<std::int64_t> key_lengths;

  bool operator==(const Mask&) const = default;
};

/// Does block `from` draw block `to` < from? It draws min(blocks_per_row, from) different blocks out of [0, from): Floyd's sampling with
/// r_t = counter_hash(seed, {from, t}) mod (t + 1) for t = from - blocks_per_row ... from - 1, taking t itself when r_t is already taken.
bool draws_block(const MaskPattern& pattern, std::int64_t from, std::int64_t to);
/// All blocks that `from` draws, ascending, at the end of `drawn`.
void append_drawn_blocks(const MaskPattern& pattern, std::int64_t from, std::vector<std::int64_t>& drawn);

/// The one owner of the rule: may query i (0-based row) of batch entry b see key j?
bool is_visible(const Mask& mask, std::int64_t b, std::int64_t i, std::int64_t j);

struct KeyRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
/// Smallest [begin, end) that holds every key visible to query i; empty when there is none.
KeyRange key_range(const Mask& mask, std::int64_t b, std::int64_t i, std::int64_t seq_k);

enum class TileVisibility { kNone, kSome, kAll };
/// Visibility of the rectangle of queries [i0, i1) and keys [j0, j1). kSome may be answered where nothing is visible; kNone and kAll never wrongly.
TileVisibility tile_visibility(const Mask& mask, std::int64_t b, KeyRange queries, KeyRange keys);

/// Number of visible pairs of one batch entry.
std::int64_t count_visible(const Mask& mask, std::int64_t b, std::int64_t seq_q, std::int64_t seq_k);

/// Is what each query sees one unbroken range of keys, so that key_range alone tells it?
bool is_range_mask(const Mask& mask);

/// "causal", "causal, local window 4", "bidirectional, strided 4", "causal, global 1 + local window 4", "causal, random blocks 1 of 4" (one
/// random block a row, 4 positions each), "causal, hashed buckets".
std::string mask_text(const Mask& mask);

}  // namespace headroom
