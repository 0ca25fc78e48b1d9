#pragma once

#include <cstdint>
#include <vector>

#include "core/model/forward.h"

namespace headroom {

/// One remaining head of a trace, by reference: where its q, k and logsumexp lie.
struct HeadView {
  const float* q = nullptr;
  std::int64_t q_stride = 0;  ///< elements from one query to the next
  const float* k = nullptr;
  std::int64_t k_stride = 0;
  const float* logsumexp = nullptr;  ///< [seq], or null where row_sums has them
  const RowSums* row_sums = nullptr;
  std::int64_t index = 0;  ///< among the remaining heads
  std::int64_t seq = 0;
  std::int64_t d_head = 0;
  float scale = 0;

  float logsumexp_of(std::int64_t row) const { return logsumexp != nullptr ? logsumexp[row] : row_sums->logsumexp(index, row); }
};

/// Head `index` (among the remaining ones) of a layer. Errors  ShapeError when the trace does not hold it.
HeadView view_head(const LayerTrace& layer, std::int64_t index);

/// Layer of a trace. Errors  ShapeError when it has none of this number, as a trace kept for its logits alone.
const LayerTrace& layer_of(const ForwardTrace& trace, std::int64_t layer);

/// Keys [begin, end) of a head turned on their side, [d_head, end - begin]: then one query's scores against all of them are sums over
/// contiguous rows, which the compiler turns into SIMD.
class KeyBlock {
 public:
  KeyBlock(const HeadView& head, KeyRange keys);

  KeyRange keys() const { return keys_; }
  /// scores[j - range.begin] = scale * q_query·k_j, in float32. Range  within keys().
  void scores(std::int64_t query, KeyRange range, float* scores) const;

 private:
  HeadView head_;
  KeyRange keys_;
  std::vector<float> transposed_;
};

/// Replaces `n` scores by probabilities exp(score - logsumexp). Shapes  values [n].
void scores_to_probs(float* values, std::int64_t n, float logsumexp);

/// Sets the masked entries of one row's values to NaN. Shapes  values [range.end - range.begin].
void mask_with_nan(const Mask& mask, std::int64_t query, KeyRange range, float* values);

}  // namespace headroom
