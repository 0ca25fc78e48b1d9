#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kv_cache/kv_type.h"

namespace headroom {

/// What a row of one head takes: "16 · 4 B", with a scale "(16 · 1 B + 4 B)". `unit`: after the first number, as " d_k".
std::string kv_row_formula(KvType type, std::int64_t d_head, const char* unit = "");

/// What the cache of one model at one length holds. Layers may differ after pruning, so K/V heads are given by layer.
struct KvCacheShape {
  std::vector<std::int64_t> n_kv_heads;  ///< [n_layers]
  std::int64_t d_head = 0;
  std::int64_t context = 0;  ///< tokens held
  std::int64_t batch = 1;
  KvType type = KvType::kFloat32;
};

/// 2 · batch · context · kv_heads · bytes of a row (kv_row_bytes) of layer l; the 2 is K and V.
std::int64_t kv_bytes_of_layer(const KvCacheShape& shape, std::size_t layer);
std::int64_t kv_bytes(const KvCacheShape& shape);
/// "2 · 4 layers · 1 · 10 tokens · 8 heads · 16 · 4 B = 40.00 KiB"; uneven layers are written as a sum.
std::string kv_formula(const KvCacheShape& shape);
/// "10.00 KiB"
std::string bytes_text(std::int64_t bytes);

}  // namespace headroom
