#include "core/kv_cache/cache_memory.h"

#include <limits>
#include <string>

#include "core/tensor/error.h"

namespace headroom {

RowFormat row_format(KvType type) {
  switch (type) {
    case KvType::kFloat32:
      return RowFormat::kFloat32;
    case KvType::kFloat16:
      return RowFormat::kFloat16;
    case KvType::kBFloat16:
      return RowFormat::kBFloat16;
    case KvType::kInt8:
      return RowFormat::kInt8;
    case KvType::kInt4:
      return RowFormat::kInt4;
  }
  return RowFormat::kFloat32;
}

std::int64_t saturated_product(std::int64_t n, std::int64_t each) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  return each != 0 && n > kMost / each ? kMost : n * each;
}

std::int64_t token_bytes(const CacheShape& shape, KvType type) {
  constexpr std::int64_t kMostHeads = 1'000'000, kMostLayers = 100'000;
  if (shape.d_head < 1 || shape.d_head > kMaxDHead) {
    throw Error("a cache of heads of " + std::to_string(shape.d_head) + " numbers, which should be 1 to " +
                std::to_string(kMaxDHead));
  }
  if (std::ssize(shape.n_kv_heads) > kMostLayers) {
    throw Error("a cache of " + std::to_string(shape.n_kv_heads.size()) + " layers, which should be at most " +
                std::to_string(kMostLayers));
  }
  std::int64_t n_rows = 0;
  for (std::size_t layer = 0; layer < shape.n_kv_heads.size(); ++layer) {
    const std::int64_t heads = shape.n_kv_heads[layer];
    if (heads < 0 || heads > kMostHeads) {
      throw Error("layer " + std::to_string(layer) + " of a cache has " + std::to_string(heads) +
                  " K/V heads, which should be 0 to " + std::to_string(kMostHeads));
    }
    n_rows += 2 * heads;
  }
  return n_rows * kv_row_bytes(type, shape.d_head);
}

std::int64_t page_bytes(const CacheShape& shape, const KvCacheOptions& options) {
  if (const auto wrong = validate(options)) throw Error(*wrong);
  return options.page_rows * token_bytes(shape, options.type);
}

}  // namespace headroom
