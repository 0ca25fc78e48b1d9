#pragma once

#include <cstdint>

namespace headroom {

/// How numbers of K and V (or of parameters) are kept. The last two as integers: of K and V each row of each head with a scale of its own.
enum class KvType { kFloat32, kFloat16, kBFloat16, kInt8, kInt4 };
const char* kv_type_name(KvType type);  ///< "float32", "int4"
int kv_type_bits(KvType type);          ///< of one value: 32, 16, 16, 8, 4; without scales

/// Bytes of one row of one head in the cache, exactly as it is kept: d_head values (two int4 values a byte, an odd last one alone), and of
/// integers one float32 scale.
std::int64_t kv_row_bytes(KvType type, std::int64_t d_head);

}  // namespace headroom
