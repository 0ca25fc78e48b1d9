#pragma once

#include <cstdint>

#include "core/attention/score_block.h"
#include "core/model/forward.h"

namespace headroom {

/// One remaining head of a trace, by reference: where its q, k and log-sum-exps lie.
struct HeadView {
  score_detail::ScoreSource source;
  const float* logsumexp = nullptr;  ///< [seq_q], or null where row_sums learns them
  const RowSums* row_sums = nullptr;
  std::int64_t index = 0;      ///< among the remaining heads
  std::int64_t n_queries = 0;  ///< rows of its matrix

  std::int64_t seq_q() const { return n_queries; }
  std::int64_t seq_k() const { return source.seq_k; }
  /// Computes the row when it is not known yet.
  float logsumexp_of(std::int64_t row) const { return logsumexp != nullptr ? logsumexp[row] : row_sums->logsumexp(index, row); }
  bool is_known(std::int64_t row) const { return logsumexp != nullptr || row_sums->is_known(index, row); }
};

/// Head `index` (among the remaining ones) of a layer that was computed here. Errors  ShapeError when the layer does not hold it.
HeadView view_head(const LayerTrace& layer, std::int64_t index);

/// Layer of a trace. Errors  ShapeError when it has none of this number, as a trace kept for its logits alone.
const LayerTrace& layer_of(const ForwardTrace& trace, std::int64_t layer);

/// Rows and columns of a layer's attention matrices.
struct MatrixSize {
  std::int64_t seq_q = 0, seq_k = 0;
};
MatrixSize matrix_size(const ForwardTrace& trace, const LayerTrace& layer);

/// Do row i and column i of the layer's matrices stand for the same token? Not in cross-attention, nor where the lengths differ.
bool has_own_tokens(const ForwardTrace& trace, const LayerTrace& layer);

}  // namespace headroom
