#pragma once

#include <array>

#include "core/kv_cache/kv_type.h"

namespace headroom {

/// What a control offers: both kinds of 16 bits are one choice, for they take the same memory.
inline constexpr std::array kKvChoices{KvType::kFloat32, KvType::kFloat16, KvType::kInt8, KvType::kInt4};

inline int kv_choice(KvType type) {
  switch (type) {
    case KvType::kFloat32:
      return 0;
    case KvType::kFloat16:
    case KvType::kBFloat16:
      return 1;
    case KvType::kInt8:
      return 2;
    case KvType::kInt4:
      return 3;
  }
  return 0;
}

}  // namespace headroom
