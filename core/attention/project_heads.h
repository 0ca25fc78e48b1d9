#pragma once

#include <cstdint>
#include <optional>

#include "core/attention/layer.h"
#include "core/tensor/parallel.h"

namespace headroom {

/// What every layer of self-attention on the processor does around its attention, whether it reads a whole text or only its newest rows
/// beside keys and values that it kept:
///
///   check(x); project(x, result); place(rotary, first_position, result); <attention into result.head_out>; join(result)
///
/// Shapes  x [rows, d_model]; q, head_out [rows, n_heads * d_head]; k, v [rows, n_kv_heads * d_head]; out [rows, d_model].
class ProjectedHeads {
 public:
  /// All three must outlive it; of `config` only n_heads, n_kv_heads and d_head are read.
  ProjectedHeads(ThreadPool& pool, const AttentionConfig& config, const AttentionLayerParams& params)
      : pool_(pool), config_(config), params_(params) {}

  /// Errors  ShapeError when a matrix does not have the shape that `config` and x say.
  void check(ConstMatrixView x) const;
  /// result.q, k and v: what W_Q, W_K and W_V give, neither normed nor turned.
  void project(ConstMatrixView x, AttentionLayerResult& result) const;
  /// Norms q and k head by head, and turns them as rows that stand from `first_position` on.
  void place(const std::optional<Rotary>& rotary, std::int64_t first_position, AttentionLayerResult& result) const;
  /// result.out of result.head_out: W_O.
  void join(AttentionLayerResult& result) const;

 private:
  ThreadPool& pool_;
  const AttentionConfig& config_;
  const AttentionLayerParams& params_;
};

/// Rows of heads that lie side by side, as a layer computes them. Shapes  rows [seq, n * d_head]; the view [1, n, seq, d_head].
HeadsView heads_of(Tensor& rows, std::int64_t d_head);

}  // namespace headroom
