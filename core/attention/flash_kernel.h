#pragma once

#include <cstdint>
#include <span>

#include "core/attention/backend.h"
#include "core/attention/flash_plan.h"

namespace headroom::flash_detail {

/// One attention call, by reference.
struct Call {
  const AttentionConfig& config;
  const AttentionInputs& inputs;
  const AttentionOutputs& outputs;
  const Plan& plan;
};

/// What happens to what a row's place already holds: it is overwritten, or it is a softmax over other keys, and the two become one.
enum class Result { kWritten, kMerged };

/// A finished row of softmax attention over some keys. Units  logsumexp in nats.
struct FinishedRow {
  const float* out = nullptr;  ///< [d_head]
  double logsumexp = 0;
};
/// Where a row lies.
struct RowPlace {
  float* out = nullptr;
  float& logsumexp;
};
/// Makes the row at `place` the softmax over its own keys and those of `other`, which are different ones.
void merge_row(RowPlace place, const FinishedRow& other, std::int64_t d_head);

/// What stretches of its keys found of one row: `count` times the sums of the values [d_head], the largest score in base 2, and the sum of the
/// weights; `stride` floats from one to the next.
struct PartialRows {
  const float* first = nullptr;
  std::size_t stride = 0, count = 0, d_head = 0;
};
/// The row of all of them. Shapes  out [d_head]. Returns the logarithm in base 2 of the sum of its weights.
double merge_partials(const PartialRows& rows, float* out);

/// Rows of an item: four blocks of three vectors.
std::int64_t rows_per_item();
/// Floats of scratch memory that one thread needs.
std::size_t scratch_size(const AttentionConfig& config);
/// Adds to `work` what it did.
void run_item(const Call& call, const Item& item, Result result, std::span<float> scratch, AttentionWork& work);

/// exp2_non_positive of each value, for its test.
void exp2_each(std::span<float> values);

}  // namespace headroom::flash_detail
