#include "core/session/on_demand.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

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

/// Row `row` of `tensor` predicts; null where nothing was computed. `own` is the tensor where it belongs to no one else.
struct Logits {
  const Tensor* tensor = nullptr;
  std::int64_t row = 0;
  std::shared_ptr<const Tensor> own;
};

Logits logits_after(const Snapshot& snapshot, std::int64_t position) {
  check_token(snapshot, position);
  const ForwardTrace& trace = *snapshot.trace;
  if (predicted(snapshot.config) == LossOf::kHiddenTokens) return {snapshot.hidden_logits.get(), position, nullptr};
  if (!trace.logits.empty()) return {&trace.logits, position, nullptr};
  if (trace.output.empty() || !snapshot.params) return {};
  ThreadPool caller(1);  // the engine's threads are the engine's
  const auto made = std::make_shared<const Tensor>(logits_of(*snapshot.params, trace, position, caller));
  return {made.get(), 0, made};
}

}  // namespace

TokenVectors token_vectors(const Snapshot& snapshot, std::int64_t layer, std::int64_t token, std::int64_t key) {
  check_token(snapshot, token);
  if (snapshot.trace->key_ids.empty()) key = token;
  const LayerTrace& block = layer_of(*snapshot.trace, layer);
  TokenVectors vectors{.normed = row_of(block.normed, token),
                       .q = row_of(block.attention.q, token),
                       .k = row_of(block.attention.k, key),
                       .v = row_of(block.attention.v, key),
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
  const Logits logits = logits_after(snapshot, position);
  return logits.tensor == nullptr ? std::vector<Prediction>() : top_predictions(*logits.tensor, logits.row, n);
}

std::optional<Odds> odds_of(const Snapshot& snapshot, std::int64_t position, std::int32_t id) {
  const Logits logits = logits_after(snapshot, position);
  if (logits.tensor == nullptr || id < 0 || id >= logits.tensor->dim(1)) return std::nullopt;
  const std::span<const float> row = logits.tensor->row(logits.row);
  const double own = row[static_cast<std::size_t>(id)];
  double highest = -INFINITY, sum = 0;
  for (const float value : row)
    highest = std::max(highest, static_cast<double>(value));
  Odds odds{.probability = 0, .rank = 1};
  for (std::size_t other = 0; other < row.size(); ++other) {
    const double value = row[other];
    sum += std::exp(value - highest);
    if (value > own || (value == own && std::cmp_less(other, id))) ++odds.rank;
  }
  odds.probability = std::exp(own - highest) / sum;
  return odds;
}

std::int64_t followed_by(const Snapshot& snapshot, std::int64_t position) {
  const bool is_hidden = predicted(snapshot.config) == LossOf::kHiddenTokens;
  const std::int64_t at = is_hidden ? position : position + 1;
  return at >= 0 && at < std::ssize(snapshot.tokens) ? at : -1;
}

std::string why_no_predictions(const Snapshot& snapshot) {
  if (!snapshot.no_prediction.empty()) return snapshot.no_prediction;
  return "Not computed: predictions of a long text need a full pass over all its layers.";
}

LossOf predicted(const ModelConfig& config) {
  return config.kind == ModelKind::kMasked ? LossOf::kHiddenTokens : LossOf::kNextTokens;
}

}  // namespace headroom
