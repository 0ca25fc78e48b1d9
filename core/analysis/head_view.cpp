#include "core/analysis/key_block.h"

#include <limits>
#include <string>

#include "core/model/exp.h"
#include "core/tensor/error.h"

namespace headroom {

HeadView view_head(const LayerTrace& layer, std::int64_t index) {
  const AttentionLayerResult& result = layer.attention;
  const bool exists = index >= 0 && index < std::ssize(layer.kv_head_of) && result.q.rank() == 2 && result.k.rank() == 2 &&
                      (layer.row_sums != nullptr || (result.logsumexp.rank() == 2 && index < result.logsumexp.dim(0))) &&
                      (index + 1) * layer.d_head <= result.q.dim(1);
  if (!exists) throw ShapeError("the trace holds no q, k and logsumexp of head number " + std::to_string(index) + " of its layer");
  const std::int64_t kv_head = layer.kv_head_of[static_cast<std::size_t>(index)];
  return {.q = result.q.data() + index * layer.d_head,
          .q_stride = result.q.dim(1),
          .k = result.k.data() + kv_head * layer.d_head,
          .k_stride = result.k.dim(1),
          .logsumexp = layer.row_sums != nullptr ? nullptr : result.logsumexp.row(index).data(),
          .row_sums = layer.row_sums.get(),
          .index = index,
          .seq = result.q.dim(0),
          .d_head = layer.d_head,
          .scale = layer.scale};
}

const LayerTrace& layer_of(const ForwardTrace& trace, std::int64_t layer) {
  if (layer < 0 || layer >= std::ssize(trace.layers)) {
    throw ShapeError("layer " + std::to_string(layer) + " is not in the trace, which holds " + std::to_string(trace.layers.size()));
  }
  return trace.layers[static_cast<std::size_t>(layer)];
}

KeyBlock::KeyBlock(const HeadView& head, KeyRange keys)
    : head_(head), keys_(keys), transposed_(static_cast<std::size_t>(head.d_head * (keys.end - keys.begin))) {
  const std::int64_t n = keys.end - keys.begin;
  for (std::int64_t j = 0; j < n; ++j) {
    const float* from = head.k + (keys.begin + j) * head.k_stride;
    for (std::int64_t c = 0; c < head.d_head; ++c)
      transposed_[static_cast<std::size_t>(c * n + j)] = from[c];
  }
}

void KeyBlock::scores(std::int64_t query, KeyRange range, float* scores) const {
  const std::int64_t n = range.end - range.begin;
  const std::int64_t stride = keys_.end - keys_.begin;
  const float* q = head_.q + query * head_.q_stride;
  const float* k = transposed_.data() + (range.begin - keys_.begin);
  for (std::int64_t j = 0; j < n; ++j)
    scores[j] = 0;
  std::int64_t c = 0;
  // Four dimensions a pass: a quarter of the loads and stores of scores.
  for (; c + 4 <= head_.d_head; c += 4, k += 4 * stride) {
    const float q0 = q[c], q1 = q[c + 1], q2 = q[c + 2], q3 = q[c + 3];
    const float *k0 = k, *k1 = k + stride, *k2 = k + 2 * stride, *k3 = k + 3 * stride;
    for (std::int64_t j = 0; j < n; ++j)
      scores[j] += (q0 * k0[j] + q1 * k1[j]) + (q2 * k2[j] + q3 * k3[j]);
  }
  for (; c < head_.d_head; ++c, k += stride) {
    for (std::int64_t j = 0; j < n; ++j)
      scores[j] += q[c] * k[j];
  }
  for (std::int64_t j = 0; j < n; ++j)
    scores[j] *= head_.scale;
}

void scores_to_probs(float* values, std::int64_t n, float logsumexp) {
  for (std::int64_t j = 0; j < n; ++j)
    values[j] = exp_fast(values[j] - logsumexp);
}

void mask_with_nan(const Mask& mask, std::int64_t query, KeyRange range, float* values) {
  switch (tile_visibility(mask, 0, {query, query + 1}, range)) {
    case TileVisibility::kAll:
      return;
    case TileVisibility::kNone:
      for (std::int64_t j = range.begin; j < range.end; ++j)
        values[j - range.begin] = std::numeric_limits<float>::quiet_NaN();
      return;
    case TileVisibility::kSome:
      for (std::int64_t j = range.begin; j < range.end; ++j) {
        if (!is_visible(mask, 0, query, j)) values[j - range.begin] = std::numeric_limits<float>::quiet_NaN();
      }
  }
}

}  // namespace headroom
