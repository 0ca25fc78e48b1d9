#include <algorithm>

#include "core/model/elementwise.h"
#include "core/model/forward_steps.h"
#include "core/tensor/matmul.h"

namespace headroom {

OutputHead::OutputHead(const ModelParams& params, std::int64_t most_rows)
    : params_(params),
      normed_({most_rows, params.config.shape.d_model}, Fill::kNone),
      transformed_({params.config.has_head_transform ? most_rows : 0, params.config.shape.d_model}, Fill::kNone) {}

void OutputHead::logits(ThreadPool& pool, ConstMatrixView x, MatrixView logits) {
  const ModelConfig& config = params_.config;
  ConstMatrixView state = x;
  const MatrixView normed = rows_of(normed_, 0, x.rows);
  if (config.norm_place != NormPlace::kAfter) {
    normalize(pool, config, x, params_.final_norm, params_.final_norm_bias, normed);
    state = normed;
  }
  if (config.has_head_transform) {
    const MatrixView transformed = rows_of(transformed_, 0, x.rows);
    linear(pool, state, params_.head_dense.weights(), params_.head_dense_bias.span(), transformed);
    activate(pool, config.mlp, transformed);
    normalize(pool, config, transformed, params_.head_norm, params_.head_norm_bias, transformed);
    state = transformed;
  }
  if (config.logit_scale != 1) {
    for (std::int64_t i = 0; i < state.rows; ++i)
      std::transform(state.row(i), state.row(i) + state.cols, normed.row(i),
                     [&](float value) { return value * config.logit_scale; });
    state = normed;
  }
  linear(pool, state, params_.output(), params_.output_bias.span(), logits);
  if (config.logit_cap > 0)
    for_rows(pool, logits.rows, logits.cols, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i)
        soft_cap({logits.row(i), static_cast<std::size_t>(logits.cols)}, config.logit_cap);
    });
}

}  // namespace headroom
