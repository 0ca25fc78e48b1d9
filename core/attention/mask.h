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
  /// random blocks: positions in blocks of `block`; each query block keeps its own block and blocks_per_row seeded random ones
  /// (Zaheer et al. 2020, arXiv:2007.14062).
  std::int64_t block = 4;
  std::int64_t blocks_per_row = 1;
  std::uint64_t seed = 1;
  /// hashed buckets: query i keeps key j when query_bucket[i] == key_bucket[j] (Kitaev et al. 2020, arXiv:2001.04451).
  std::vector<std::int32_t> query_bucket;
  std::vector<std::int32_t> key_bucket;

  bool operator==(const MaskPattern&) const = default;
};

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

/// "causal, local window 4"
std::string mask_text(const Mask& mask);

}  // namespace headroom
