#include "core/session/on_demand.h"

#include <string>

#include "core/analysis/head_view.h"
#include "core/model/long_pass.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::vector<float> row_of(const Tensor& tensor, std::int64_t row) {
  if (tensor.rank() != 2 || row >= tensor.dim(0)) return {};
  const std::span<const float> values = tensor.row(row);
  return {values.begin(), values.end()};
}

void check_token(const Snapshot& snapshot, std::int64_t token) {
  const auto n = snapshot.trace ? std::ssize(snapshot.trace->ids) : 0;
  if (token >= 0 && token < n) return;
  throw ShapeError("token " + std::to_string(token) + " is not among the " + std::to_string(n) + " of the text");
}

/// What the first layer computes of a token by itself, where the parameters are at hand.
FirstLayerVectors alone(const Snapshot& snapshot, std::int64_t layer, std::int64_t token) {
  if (layer != 0 || !snapshot.params) return {};
  return first_layer_vectors(*snapshot.params, snapshot.trace->ids[static_cast<std::size_t>(token)], token);
}

}  // namespace

TokenVectors token_vectors(const Snapshot& snapshot, std::int64_t layer, std::int64_t token) {
  check_token(snapshot, token);
  const LayerTrace& block = layer_of(*snapshot.trace, layer);
  TokenVectors vectors{.normed = row_of(block.normed, token),
                       .q = row_of(block.attention.q, token),
                       .k = row_of(block.attention.k, token),
                       .v = row_of(block.attention.v, token),
                       .head_out = row_of(block.attention.head_out, token),
                       .out = row_of(block.attention.out, token)};
  if (vectors.normed.empty() || vectors.v.empty()) {
    FirstLayerVectors computed = alone(snapshot, layer, token);
    if (vectors.normed.empty()) vectors.normed = std::move(computed.normed);
    if (vectors.v.empty()) vectors.v = std::move(computed.v);
  }
  return vectors;
}

std::vector<float> token_values(const Snapshot& snapshot, std::int64_t layer, std::int64_t token) {
  check_token(snapshot, token);
  std::vector<float> kept = row_of(layer_of(*snapshot.trace, layer).attention.v, token);
  return kept.empty() ? alone(snapshot, layer, token).v : kept;
}

std::vector<Prediction> predictions_after(const Snapshot& snapshot, std::int64_t position, std::size_t n) {
  check_token(snapshot, position);
  const ForwardTrace& trace = *snapshot.trace;
  if (predicted(snapshot.config) == LossOf::kHiddenTokens)
    return snapshot.hidden_logits ? top_predictions(*snapshot.hidden_logits, position, n) : std::vector<Prediction>();
  if (!trace.logits.empty()) return top_predictions(trace.logits, position, n);
  if (trace.output.empty() || !snapshot.params) return {};
  ThreadPool caller(1);  // the engine's threads are the engine's
  return top_predictions(logits_of(*snapshot.params, trace, position, caller), 0, n);
}

std::string why_no_predictions(const Snapshot& snapshot) {
  if (!snapshot.no_prediction.empty()) return snapshot.no_prediction;
  return "Not computed: predictions of a long text need a full pass over all its layers.";
}

LossOf predicted(const ModelConfig& config) {
  return config.kind == ModelKind::kMasked ? LossOf::kHiddenTokens : LossOf::kNextTokens;
}

}  // namespace headroom
