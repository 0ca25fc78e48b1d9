#include "core/analysis/head_view.h"

#include <string>

#include "core/tensor/error.h"

namespace headroom {

HeadView view_head(const LayerTrace& layer, std::int64_t index) {
  const AttentionLayerResult& result = layer.attention;
  const bool has_sums = layer.row_sums != nullptr || (result.logsumexp.rank() == 2 && index < result.logsumexp.dim(0));
  const bool exists = index >= 0 && index < std::ssize(layer.kv_head_of) && result.q.rank() == 2 && result.k.rank() == 2 &&
                      has_sums && (index + 1) * layer.d_head <= result.q.dim(1) &&
                      (layer.position_bias == nullptr || index < layer.position_bias->n_heads);
  if (!exists) throw ShapeError("the trace holds no q, k and logsumexp of head number " + std::to_string(index) + " of its layer");
  const std::int64_t kv_head = layer.kv_head_of[static_cast<std::size_t>(index)];
  return {.source = {.q = result.q.data() + index * layer.d_head,
                     .q_stride = result.q.dim(1),
                     .k = result.k.data() + kv_head * layer.d_head,
                     .k_stride = result.k.dim(1),
                     .d_head = layer.d_head,
                     .seq_k = result.k.dim(0),
                     .scale = layer.scale,
                     .mask = &layer.mask,
                     .soft_cap = layer.soft_cap,
                     .bias = layer.position_bias != nullptr ? layer.position_bias->row(index) : nullptr,
                     .reach = layer.position_bias != nullptr ? layer.position_bias->reach : 0},
          .logsumexp = layer.row_sums != nullptr ? nullptr : result.logsumexp.row(index).data(),
          .row_sums = layer.row_sums.get(),
          .index = index,
          .n_queries = result.q.dim(0)};
}

const LayerTrace& layer_of(const ForwardTrace& trace, std::int64_t layer) {
  if (layer < 0 || layer >= std::ssize(trace.layers)) {
    throw ShapeError("layer " + std::to_string(layer) + " is not in the trace, which holds " + std::to_string(trace.layers.size()));
  }
  return trace.layers[static_cast<std::size_t>(layer)];
}

MatrixSize matrix_size(const ForwardTrace& trace, const LayerTrace& layer) {
  if (layer.stored != nullptr) return {layer.stored->seq_q(), layer.stored->seq_k()};
  const std::int64_t n_ids = std::ssize(trace.ids), n_keys = trace.key_ids.empty() ? n_ids : std::ssize(trace.key_ids);
  const Tensor &q = layer.attention.q, &k = layer.attention.k;
  return {q.rank() == 2 ? q.dim(0) : n_ids, k.rank() == 2 ? k.dim(0) : n_keys};
}

bool has_own_tokens(const ForwardTrace& trace, const LayerTrace& layer) {
  const MatrixSize size = matrix_size(trace, layer);
  return trace.key_ids.empty() && size.seq_q == size.seq_k;
}

}  // namespace headroom
