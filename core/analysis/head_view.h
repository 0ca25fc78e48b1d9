#pragma once

#include <cstdint>

#include "core/attention/score_block.h"
#include "core/model/forward.h"

namespace headroom {

/// One remaining head of a trace, by reference: where its q, k and log-sum-exps lie.
struct HeadView {
  score_detail::ScoreSource source;
  const float* logsumexp = nullptr;  ///< [seq], or null where row_sums learns them
  const RowSums* row_sums = nullptr;
  std::int64_t index = 0;  ///< among the remaining heads

  std::int64_t seq() const { return source.seq_k; }
  /// Computes the row when it is not known yet.
  float logsumexp_of(std::int64_t row) const { return logsumexp != nullptr ? logsumexp[row] : row_sums->logsumexp(index, row); }
  bool is_known(std::int64_t row) const { return logsumexp != nullptr || row_sums->is_known(index, row); }
};

/// Head `index` (among the remaining ones) of a layer. Errors  ShapeError when the layer does not hold it.
HeadView view_head(const LayerTrace& layer, std::int64_t index);

/// Layer of a trace. Errors  ShapeError when it has none of this number, as a trace kept for its logits alone.
const LayerTrace& layer_of(const ForwardTrace& trace, std::int64_t layer);

}  // namespace headroom
