#pragma once

#include "core/gl/attention_kernels.h"

namespace headroom::gl {

/// One attention call's tensors on the device, each kept in the order that its memory has where that has no gaps, else head by head.
struct PackedHeads {
  /// Uploads q, k and v and makes room for out and logsumexp, those of pruned heads filled. Errors  Error when the device has no room.
  DeviceAttention upload(const AttentionConfig& config, const AttentionInputs& inputs);
  /// Reads out back after the call.
  void read_out(const AttentionConfig& config, HeadsView out_view) const;

  Buffer q{Texel::kVec4}, k{Texel::kVec4}, v{Texel::kVec4}, out, logsumexp;
};

}  // namespace headroom::gl
