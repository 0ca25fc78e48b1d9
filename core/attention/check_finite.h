#pragma once

#include <optional>
#include <string>

#include "core/attention/backend.h"

namespace headroom {

/// An element of q, k or v that is NaN or infinite.
struct NonFiniteValue {
  const char* tensor = "q";  ///< "q", "k" or "v"
  std::int64_t b = 0, head = 0, row = 0, coordinate = 0;
  float value = 0;
};

/// The first such element, q before k before v, or nothing. Reads k16 and v16 where the storage is 16 bits wide; a tensor without data is
/// left out.
std::optional<NonFiniteValue> find_non_finite(const AttentionInputs& inputs, KvStorage storage = KvStorage::kFloat32);

/// "k of head 3 is NaN at row 17, coordinate 5 (all counted from 0)"; with the batch entry where it is not the first. Of k and v, the head
/// is the K/V head.
std::string non_finite_text(const NonFiniteValue& value);

}  // namespace headroom
