#include "core/model/cross_attention.h"

#include <array>
#include <utility>

#include "core/attention/project_heads.h"
#include "core/model/forward_steps.h"
#include "core/tensor/matmul.h"

namespace headroom {

CrossAttention::CrossAttention(const ModelParams& params, CrossSource source, AttentionBackend& backend, ThreadPool& pool)
    : params_(params), source_(std::move(source)), backend_(backend), pool_(pool), kept_(params.layers.size()) {}

void CrossAttention::add(const LayerParams& layer, StageClock& clock, Tensor& x) {
  AttentionLayerResult made = add_traced(layer, clock, x).attention;
  kept_of(layer) = {std::move(made.k), std::move(made.v)};
}

LayerTrace CrossAttention::add_traced(const LayerParams& layer, StageClock& clock, Tensor& x) {
  const ModelConfig& config = params_.config;
  const CrossParams& cross = layer.cross;
  const bool is_normed_after = config.norm_place == NormPlace::kAfter;
  const AttentionConfig attention = attention_config(layer, x.dim(0));
  LayerParams unpruned;
  set_unpruned(unpruned, attention.n_heads, attention.n_kv_heads);
  LayerTrace step = layer_trace(unpruned, attention);
  step.input = x;
  step.normed = x;
  if (!is_normed_after) normalize(pool_, config, x.matrix(), cross.norm, cross.norm_bias, step.normed.matrix());
  clock.lap("norm");
  Kept& kept = kept_of(layer);
  step.attention.k = std::exchange(kept.k, {});
  step.attention.v = std::exchange(kept.v, {});
  attend(cross, attention, clock, step);
  add_to(pool_, step.attention.out.matrix(), x.matrix());
  clock.lap("W_O");
  if (is_normed_after) {
    normalize(pool_, config, x.matrix(), cross.norm, cross.norm_bias, x.matrix());
    clock.lap("norm");
  }
  return step;
}

AttentionConfig CrossAttention::attention_config(const LayerParams& layer, std::int64_t rows) const {
  AttentionConfig config;
  config.d_head = params_.config.shape.d_head;
  config.n_heads = layer.cross.w_q.dim(0) / config.d_head;
  config.n_kv_heads = layer.cross.w_k.dim(0) / config.d_head;
  config.seq_q = rows;
  config.seq_k = source_.encoded.dim(0);
  // The whole source is there from the first word on; relative positions say nothing between two texts: no bias.
  config.mask.direction = Direction::kBidirectional;
  config.mask.key_lengths = source_.key_lengths;
  config.scale = params_.config.attention_scale;
  config.soft_cap = params_.config.score_cap;
  return config;
}

void CrossAttention::attend(const CrossParams& cross, const AttentionConfig& config, StageClock& clock, LayerTrace& step) {
  const std::int64_t seq_q = config.seq_q, seq_k = config.seq_k, d_head = config.d_head;
  AttentionLayerResult& result = step.attention;
  result.q = Tensor({seq_q, cross.w_q.dim(0)}, Fill::kNone);
  linear(pool_, step.normed.matrix(), cross.w_q.weights(), cross.b_q.span(), result.q.matrix());
  if (result.k.empty()) {
    result.k = Tensor({seq_k, cross.w_k.dim(0)}, Fill::kNone);
    result.v = Tensor({seq_k, cross.w_v.dim(0)}, Fill::kNone);
    const std::array parts{LinearPart{cross.w_k.weights(), cross.b_k.span(), result.k.matrix()},
                           LinearPart{cross.w_v.weights(), cross.b_v.span(), result.v.matrix()}};
    linear(pool_, source_.encoded.matrix(), parts);
  }
  clock.lap("q k v");

  result.head_out = Tensor({seq_q, cross.w_q.dim(0)}, Fill::kNone);
  result.logsumexp = Tensor({config.n_heads, seq_q}, Fill::kNone);
  backend_.run(config, {heads_of(result.q, d_head), heads_of(result.k, d_head), heads_of(result.v, d_head)},
               {heads_of(result.head_out, d_head), result.logsumexp.span(), {}});
  clock.lap("attention");

  result.out = Tensor({seq_q, params_.config.shape.d_model}, Fill::kNone);
  linear(pool_, result.head_out.matrix(), cross.w_o.weights(), cross.b_o.span(), result.out.matrix());
  clock.lap("W_O");
}

}  // namespace headroom
