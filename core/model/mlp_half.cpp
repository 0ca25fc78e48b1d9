#include <array>

#include "core/model/elementwise.h"
#include "core/model/forward_steps.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

/// The activation alone, without what it gates.
void activate(MlpKind kind, std::span<float> values) {
  switch (kind) {
    case MlpKind::kGelu:
    case MlpKind::kGeGlu:
      return gelu(values);
    case MlpKind::kGeluTanh:
    case MlpKind::kGeGluTanh:
      return gelu_tanh(values);
    case MlpKind::kRelu:
    case MlpKind::kReGlu:
      return relu(values);
    case MlpKind::kSilu:
    case MlpKind::kSwiGlu:
      return silu(values);
  }
}

/// gate = activation(gate) * up
void apply_gate(MlpKind kind, std::span<float> gate, std::span<const float> up) {
  if (kind == MlpKind::kSwiGlu) return swiglu(gate, up);
  activate(kind, gate);
  multiply(gate, up);
}

}  // namespace

void activate(ThreadPool& pool, MlpKind kind, MatrixView matrix) {
  for_values(pool, matrix, [kind](std::span<float> values, std::int64_t) { activate(kind, values); });
}

MlpHalf::MlpHalf(ThreadPool& pool, const ModelConfig& config, std::int64_t most_rows)
    : pool_(pool),
      config_(config),
      gate_({is_gated(config.mlp) ? most_rows : 0, config.shape.d_ff}, Fill::kNone),
      up_({most_rows, config.shape.d_ff}, Fill::kNone),
      out_({most_rows, config.shape.d_model}, Fill::kNone),
      normed_({config.norm_place == NormPlace::kAfter ? 0 : most_rows, config.shape.d_model}, Fill::kNone) {}

ConstMatrixView MlpHalf::hidden(const LayerParams& layer, ConstMatrixView input) {
  const MatrixView up = rows_of(up_, 0, input.rows);
  if (is_gated(config_.mlp)) {
    const MatrixView gate = rows_of(gate_, 0, input.rows);
    const std::array parts{LinearPart{layer.w_gate.weights(), layer.b_gate.span(), gate},
                           LinearPart{layer.w_up.weights(), layer.b_up.span(), up}};
    linear(pool_, input, parts);
    for_values(pool_, gate, [&](std::span<float> values, std::int64_t first) {
      apply_gate(config_.mlp, values, {up.row(first), values.size()});
    });
    return gate;
  }
  linear(pool_, input, layer.w_up.weights(), layer.b_up.span(), up);
  activate(pool_, config_.mlp, up);
  return up;
}

void MlpHalf::add(const LayerParams& layer, StageClock& clock, MatrixView x) {
  const NormPlace place = config_.norm_place;
  if (config_.shape.d_ff > 0) {
    ConstMatrixView input = x;
    if (place != NormPlace::kAfter) {
      const MatrixView normed = rows_of(normed_, 0, x.rows);
      normalize(pool_, config_, x, layer.mlp_norm, layer.mlp_norm_bias, normed);
      input = normed;
      clock.lap("norm");
    }
    const MatrixView out = rows_of(out_, 0, x.rows);
    linear(pool_, hidden(layer, input), layer.w_down.weights(), layer.b_down.span(), out);
    if (place == NormPlace::kAround) normalize(pool_, config_, out, layer.mlp_out_norm, {}, out);
    add_to(pool_, out, x);
    clock.lap("MLP");
  }
  if (place != NormPlace::kAfter) return;
  normalize(pool_, config_, x, layer.mlp_norm, layer.mlp_norm_bias, x);
  clock.lap("norm");
}

}  // namespace headroom
