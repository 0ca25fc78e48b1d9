#pragma once

#include <cstdint>
#include <span>

#include "core/attention/flash_kernel.h"

namespace headroom::flash_detail {

// Few rows over many keys, as when one token is generated from a cache: reading K and V is what takes the time. So each is read once, in
// the order of its memory, all K/V heads of a stretch of keys together, and all rows of a group work on it while it is near.

/// A stretch of keys of one batch entry.
struct Stretch {
  std::int64_t b = 0;
  KeyRange keys;
};

/// Of a stretch, the keys that every query sees. Only for masks that leave each query one unbroken run.
KeyRange common_keys(const AttentionConfig& config, const Stretch& stretch);

/// Rows of a group that one call takes at most; 0 where this machine has no vectors for it.
std::int64_t most_decode_rows();
/// Floats of scratch memory that one thread needs.
std::size_t decode_scratch_size(const Call& call);
/// Shapes  partial [rows of all groups, d_head + 2]: group after group, its rows query by query, each with all heads; the sums of the
///         values, the largest score in base 2, and the sum of the weights.
void decode_stretch(const Call& call, const Stretch& stretch, std::span<float> partial, std::span<float> scratch);

}  // namespace headroom::flash_detail
