#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/attention/config.h"
#include "core/gl/buffer.h"
#include "shaders/attention_params.h"

namespace headroom::gl {

/// One sentence when the shaders' 32-bit positions or their table cannot hold this mask, else nothing.
std::optional<std::string> mask_limit(const AttentionConfig& config);

/// What the shaders read beside numbers: which heads to compute and their K/V heads, key lengths, buckets, kept blocks.
class MaskTable {
 public:
  /// Fills the mask's part of `params` and uploads the table unless the device holds it already.
  void update(const AttentionConfig& config, AttentionParams& params);
  const Buffer& buffer() const { return buffer_; }
  int n_active() const { return n_active_; }  ///< heads that are not pruned

 private:
  struct BlockKey {
    MaskPattern pattern;
    std::int64_t query_offset = 0, seq_q = 0, seq_k = 0;
    bool operator==(const BlockKey&) const = default;
  };
  void append_blocks(const AttentionConfig& config, AttentionParams& params, std::vector<std::uint32_t>& words);

  Buffer buffer_{Texel::kUint};
  std::vector<std::uint32_t> uploaded_;
  int n_active_ = 0;
  std::optional<BlockKey> block_key_;
  std::vector<std::uint32_t> block_words_;  ///< of block_key_: they cost a look at every pair of blocks
};

}  // namespace headroom::gl
