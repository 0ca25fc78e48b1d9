#include "core/kv_cache/kv_type.h"

namespace headroom {

const char* kv_type_name(KvType type) {
  switch (type) {
    case KvType::kFloat32:
      return "float32";
    case KvType::kFloat16:
      return "float16";
    case KvType::kBFloat16:
      return "bfloat16";
    case KvType::kInt8:
      return "int8";
    case KvType::kInt4:
      return "int4";
  }
  return "";
}

int kv_type_bits(KvType type) {
  switch (type) {
    case KvType::kFloat32:
      return 32;
    case KvType::kFloat16:
    case KvType::kBFloat16:
      return 16;
    case KvType::kInt8:
      return 8;
    case KvType::kInt4:
      return 4;
  }
  return 0;
}

std::int64_t kv_row_bytes(KvType type, std::int64_t d_head) {
  constexpr std::int64_t kScaleBytes = 4;
  const std::int64_t values = (d_head * kv_type_bits(type) + 7) / 8;
  return kv_type_bits(type) >= 16 ? values : values + kScaleBytes;
}

}  // namespace headroom
