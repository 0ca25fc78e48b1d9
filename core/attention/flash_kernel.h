#pragma once

#include <cstdint>
#include <span>

#include "core/attention/backend.h"

namespace headroom::flash_detail {

/// One attention call, by reference.
struct Call {
  const AttentionConfig& config;
  const AttentionInputs& inputs;
  const AttentionOutputs& outputs;
};

/// What one thread computes at a time: queries [query_begin, query_end) of some heads that read the same K/V head. Its rows, one after
/// another head by head, fill the lanes: at most block_rows() of them. Short sequences and single queries thus share K and V's loads.
struct Block {
  std::int64_t b = 0;
  std::int64_t kv_head = 0;
  std::span<const std::int64_t> heads;
  std::int64_t query_begin = 0, query_end = 0;

  std::int64_t n_queries() const { return query_end - query_begin; }
  std::int64_t n_rows() const { return n_queries() * static_cast<std::int64_t>(heads.size()); }
};

/// Rows that fill a block on this machine: three vectors.
std::int64_t block_rows();
/// Floats of scratch memory that one thread needs.
std::size_t scratch_size(std::int64_t d_head);
void run_block(const Call& call, const Block& block, std::span<float> scratch);

/// exp2_non_positive of each value, for its test.
void exp2_each(std::span<float> values);

}  // namespace headroom::flash_detail
