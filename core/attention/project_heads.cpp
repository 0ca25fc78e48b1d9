#include "core/attention/project_heads.h"

#include <array>
#include <string>

#include "core/attention/head_norm.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

void check_matrix(const char* name, const ConstWeightView& matrix, std::int64_t rows, std::int64_t cols) {
  if (matrix.rows == rows && matrix.cols == cols) return;
  throw ShapeError(std::string(name) + " is [" + std::to_string(matrix.rows) + ", " + std::to_string(matrix.cols) +
                   "] instead of [" + std::to_string(rows) + ", " + std::to_string(cols) + "]");
}

}  // namespace

void ProjectedHeads::check(ConstMatrixView x) const {
  const std::int64_t q_width = config_.n_heads * config_.d_head, kv_width = config_.n_kv_heads * config_.d_head;
  check_matrix("w_q", params_.w_q, q_width, x.cols);
  check_matrix("w_k", params_.w_k, kv_width, x.cols);
  check_matrix("w_v", params_.w_v, kv_width, x.cols);
  check_matrix("w_o", params_.w_o, params_.w_o.rows, q_width);
}

void ProjectedHeads::project(ConstMatrixView x, AttentionLayerResult& result) const {
  const std::int64_t kv_width = config_.n_kv_heads * config_.d_head;
  result.q = Tensor({x.rows, config_.n_heads * config_.d_head}, Fill::kNone);
  result.k = Tensor({x.rows, kv_width}, Fill::kNone);
  result.v = Tensor({x.rows, kv_width}, Fill::kNone);
  const std::array parts{LinearPart{params_.w_q, params_.b_q, result.q.matrix()},
                         LinearPart{params_.w_k, params_.b_k, result.k.matrix()},
                         LinearPart{params_.w_v, params_.b_v, result.v.matrix()}};
  linear(pool_, x, parts);
}

void ProjectedHeads::place(const std::optional<Rotary>& rotary, std::int64_t first_position, AttentionLayerResult& result) const {
  const HeadsView q = heads_of(result.q, config_.d_head), k = heads_of(result.k, config_.d_head);
  norm_heads({params_.q_norm, params_.norm_eps}, q);
  norm_heads({params_.k_norm, params_.norm_eps}, k);
  if (!rotary || config_.n_heads == 0) return;
  const RotaryTable table = make_rotary_table(*rotary, first_position, result.q.dim(0), config_.d_head);
  rotate(table, q);
  rotate(table, k);
}

void ProjectedHeads::join(AttentionLayerResult& result) const {
  result.out = Tensor({result.head_out.dim(0), params_.w_o.rows}, Fill::kNone);
  linear(pool_, result.head_out.matrix(), params_.w_o, params_.b_o, result.out.matrix());
}

HeadsView heads_of(Tensor& rows, std::int64_t d_head) {
  return HeadsView::interleaved(rows.data(), 1, rows.dim(1) / d_head, rows.dim(0), d_head);
}

}  // namespace headroom
