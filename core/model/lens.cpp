#include "core/model/lens.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/model/forward_steps.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// From 1; as top_predictions orders them.
std::int64_t rank_of(std::span<const float> logits, std::int32_t id) {
  const float own = logits[static_cast<std::size_t>(id)];
  std::int64_t rank = 1;
  for (std::size_t other = 0; other < logits.size(); ++other)
    if (logits[other] > own || (logits[other] == own && std::cmp_less(other, id))) ++rank;
  return rank;
}

double probability_of(std::span<const float> logits, std::int32_t id) {
  double highest = -INFINITY, sum = 0;
  for (const float logit : logits)
    highest = std::max(highest, static_cast<double>(logit));
  for (const float logit : logits)
    sum += std::exp(static_cast<double>(logit) - highest);
  return std::exp(static_cast<double>(logits[static_cast<std::size_t>(id)]) - highest) / sum;
}

}  // namespace

LogitLens logit_lens(const ModelParams& params, const ForwardTrace& trace, std::int64_t position, std::size_t n_top,
                     ThreadPool& pool) {
  const ModelConfig& config = params.config;
  if (!config.predicts) throw ShapeError("this model predicts nothing, at no layer");
  if (position < 0 || position >= std::ssize(trace.ids))
    throw ShapeError("token " + std::to_string(position) + " is not among the " + std::to_string(trace.ids.size()) +
                     " of the text");
  const auto n_layers = std::ssize(trace.layers);
  Tensor rows({n_layers + 1, config.shape.d_model}, Fill::kNone);
  const auto take = [&](const Tensor& stream, std::int64_t layer) {
    if (stream.rank() != 2 || stream.dim(0) != std::ssize(trace.ids) || stream.dim(1) != config.shape.d_model)
      throw ShapeError("the trace holds no residual stream at layer " + std::to_string(layer));
    std::ranges::copy(stream.row(position), rows.row(layer).begin());
  };
  for (std::int64_t layer = 0; layer < n_layers; ++layer)
    take(trace.layers[static_cast<std::size_t>(layer)].input, layer);
  take(trace.output, n_layers);

  Tensor logits({n_layers + 1, config.shape.vocab_size}, Fill::kNone);
  OutputHead(params, n_layers + 1).logits(pool, rows.matrix(), logits.matrix());
  LogitLens lens{.position = position, .layers = {}};
  lens.answer = top_predictions(logits, n_layers, 1).front().id;
  for (std::int64_t layer = 0; layer <= n_layers; ++layer) {
    const std::span<const float> row = logits.row(layer);
    lens.layers.push_back({.top = top_predictions(logits, layer, n_top),
                           .answer_rank = rank_of(row, lens.answer),
                           .answer_probability = probability_of(row, lens.answer)});
  }
  return lens;
}

}  // namespace headroom
