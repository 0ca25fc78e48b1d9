#pragma once

#include <cstdint>
#include <span>

#include "core/attention/linear_attention.h"

namespace headroom::linear_attention_detail {

struct Call {
  const AttentionConfig& config;
  const AttentionInputs& inputs;
  const LinearAttentionOutputs& outputs;
};

/// Query heads that read one K/V head of one batch entry.
struct Group {
  std::int64_t b = 0, kv_head = 0;
  std::span<const std::int64_t> heads;
};

/// One K/V head's sums over keys (the vector of phi(k), the matrix of phi(k) vᵀ) and one thread's scratch, on 64-byte borders.
struct Memory {
  float* sums = nullptr;
  float* scratch = nullptr;
};
/// Floats that each of them takes.
std::size_t sums_size(std::int64_t d_head);
std::size_t scratch_size(std::int64_t d_head);

/// Adds the keys to the sums.
void add_keys(const Call& call, const Group& group, KeyRange keys, Memory memory);
/// Rows of out of all the group's heads. The sums hold, with a causal mask, the keys before the first row's own position, and the rows' own
/// keys are added meanwhile; without one, all keys.
void run_rows(const Call& call, const Group& group, KeyRange rows, Memory memory);
/// Keys of one chunk: what is multiplied as a whole.
std::int64_t chunk_keys();

}  // namespace headroom::linear_attention_detail
