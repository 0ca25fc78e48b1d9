#pragma once

#include <cstdint>
#include <string>

#include "core/speed/measuring.h"

namespace headroom {

/// Self-attention over n tokens with the heads and the mask of `config`: buckets are repeated or cut, padding is dropped.
AttentionConfig with_length(AttentionConfig config, std::int64_t n);

/// The shape as a whole layer that every way of computing can run: heads that are left after pruning, evenly shared K/V heads, float32, no
/// dropout, and no more tokens than naive attention has memory and patience for.
struct LayerShape {
  SpeedShape shape;
  std::string note;  ///< one sentence where tokens were left out; else empty
};
LayerShape whole_layer(const SpeedShape& shape);

/// Largest divisor of n_heads that is at most `most`, at least 1.
std::int64_t largest_divisor(std::int64_t n_heads, std::int64_t most);

}  // namespace headroom
