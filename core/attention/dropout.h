#pragma once

#include <cstdint>

#include "core/attention/config.h"
#include "core/attention/counter_hash.h"

namespace headroom {

/// Which entry of the probabilities dropout decides on.
struct DropoutCell {
  std::int64_t b = 0, head = 0, i = 0, j = 0;
};

/// An entry is dropped when the top 24 bits of its hash lie below this.
inline std::uint32_t dropout_threshold(const Dropout& dropout) {
  return static_cast<std::uint32_t>(static_cast<double>(dropout.probability) * 16777216.0);
}

/// Is the entry kept? Depends on seed and indices alone, so every backend, tiling and thread drops the same entries.
inline bool is_kept(const Dropout& dropout, const DropoutCell& cell) {
  const std::uint32_t hash = counter_hash(dropout.seed, {static_cast<std::uint32_t>(cell.b), static_cast<std::uint32_t>(cell.head),
                                                         static_cast<std::uint32_t>(cell.i), static_cast<std::uint32_t>(cell.j)});
  return (hash >> 8) >= dropout_threshold(dropout);
}

/// Factor on a kept entry: the expected sum stays the same.
inline float kept_factor(const Dropout& dropout) { return 1.0F / (1.0F - dropout.probability); }

}  // namespace headroom
