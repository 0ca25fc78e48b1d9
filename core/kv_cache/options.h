#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/kv_cache/kv_type.h"

namespace headroom {

/// How a cache's memory lies: one stretch for a sequence, or pages of a few tokens each that a table finds.
enum class CacheLayout { kContiguous, kPaged };

/// Which tokens a cache with a budget gives up. Keys keep the positions that they were computed at.
enum class Eviction {
  kNone,
  kWindow,       ///< all but the newest `window`
  kStreaming,    ///< all but the first `n_first` and the newest `window` (Xiao et al. 2023, arXiv:2309.17453)
  kHeavyHitters  ///< beside the newest `window`, each K/V head keeps the `n_heavy` that were given most probability so far
                 ///< (Zhang et al. 2023, arXiv:2306.14048)
};

struct KvCacheOptions {
  CacheLayout layout = CacheLayout::kContiguous;
  KvType type = KvType::kFloat32;
  std::int64_t page_rows = 16;  ///< tokens of a page; in [1, kMaxPageRows]
  Eviction eviction = Eviction::kNone;
  std::int64_t window = 16;   ///< newest tokens kept, the one that asks among them; in [1, kMaxKept]
  std::int64_t n_first = 4;   ///< kStreaming; in [0, kMaxKept]
  std::int64_t n_heavy = 16;  ///< kHeavyHitters; in [0, kMaxKept]

  bool operator==(const KvCacheOptions&) const = default;
};
inline constexpr std::int64_t kMaxPageRows = 4096;
inline constexpr std::int64_t kMaxKept = 1'000'000;

/// Tokens that are held at most; nothing where none is given up.
std::optional<std::int64_t> token_budget(const KvCacheOptions& options);
/// One sentence on the first thing that is wrong, with what would be right; nothing when such a cache can be made.
std::optional<std::string> validate(const KvCacheOptions& options);
/// "contiguous, float32", "pages of 16 tokens, int8, first 4 and last 16 tokens"
std::string cache_text(const KvCacheOptions& options);

}  // namespace headroom
