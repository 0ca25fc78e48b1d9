#include "core/model/forward.h"

#include <algorithm>

#include "core/model/forward_steps.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

/// A layer that lost all heads: attention adds its bias at most.
AttentionLayerResult no_attention(const LayerParams& layer, std::int64_t seq, std::int64_t d_model) {
  AttentionLayerResult result;
  result.q = result.k = result.v = result.head_out = Tensor({seq, 0});
  result.logsumexp = Tensor({0, seq});
  result.out = Tensor({seq, d_model});
  if (!layer.b_o.empty()) {
    for (std::int64_t i = 0; i < seq; ++i)
      std::ranges::copy(layer.b_o.span(), result.out.row(i).begin());
  }
  return result;
}

}  // namespace

std::shared_ptr<const RowSums> make_row_sums(const LayerTrace& layer, const Mask& mask) {
  if (layer.heads.empty()) return nullptr;
  const Tensor &q = layer.attention.q, &k = layer.attention.k;
  if (q.rank() != 2 || k.rank() != 2 || layer.d_head <= 0) throw ShapeError("row sums need a layer that holds its q and k");
  AttentionConfig config;
  config.n_heads = std::ssize(layer.heads);
  config.n_kv_heads = k.dim(1) / layer.d_head;
  config.d_head = layer.d_head;
  config.seq_q = config.seq_k = q.dim(0);
  config.scale = layer.scale;
  config.mask = mask;
  config.kv_head_of = layer.kv_head_of;
  if (q.dim(1) != config.n_heads * layer.d_head || k.dim(0) != q.dim(0) || k.dim(1) != config.n_kv_heads * layer.d_head) {
    throw ShapeError("row sums need a q and k of whole heads of one text");
  }
  return std::make_shared<const RowSums>(config,
                                         ConstHeadsView::interleaved(q.data(), 1, config.n_heads, config.seq_q, layer.d_head),
                                         ConstHeadsView::interleaved(k.data(), 1, config.n_kv_heads, config.seq_k, layer.d_head));
}

std::int64_t LayerTrace::index_of(std::int64_t head) const {
  const auto found = std::lower_bound(heads.begin(), heads.end(), head);
  return found != heads.end() && *found == head ? found - heads.begin() : -1;
}

ForwardTrace forward(const ModelParams& params, std::span<const std::int32_t> ids, AttentionLayer& attention, ThreadPool& pool,
                     const ForwardOptions& options) {
  const ModelShape& shape = params.config.shape;
  check_ids(ids, shape.vocab_size);
  const bool keeps_trace = options.keep == ForwardOptions::Keep::kTrace;
  const std::int64_t seq = std::ssize(ids);
  const float eps = params.config.rms_norm_eps;
  const Rotary rotary{params.config.rope_theta};

  ForwardTrace trace;
  trace.ids.assign(ids.begin(), ids.end());
  trace.mask = options.mask;
  StageClock clock(trace.times);
  Tensor x({seq, shape.d_model}, Fill::kNone);
  embed(pool, params.embedding, ids, x.matrix());
  Tensor normed({seq, shape.d_model}, Fill::kNone);
  MlpSpace mlp(seq, shape);
  clock.lap("embed");

  for (const LayerParams& layer : params.layers) {
    if (options.stop.stop_requested()) throw Cancelled();
    LayerTrace step;
    if (keeps_trace) step.input = x;
    rms_norm(pool, x.matrix(), layer.attention_norm, eps, normed.matrix());
    if (keeps_trace) step.normed = normed;
    clock.lap("norm");

    const AttentionConfig config = attention_config(layer, shape.d_head, seq, options.mask);
    step.attention = layer.heads.empty() ? no_attention(layer, seq, shape.d_model)
                                         : attention.run(config, layer.attention(), rotary, normed.matrix(), options.stop);
    for (const StageTime& time : step.attention.times)
      clock.add(time.stage, time.ms);
    clock.skip();
    add_to(pool, step.attention.out.matrix(), x.matrix());
    clock.lap("W_O");

    rms_norm(pool, x.matrix(), layer.mlp_norm, eps, normed.matrix());
    clock.lap("norm");
    add_mlp(pool, layer, normed.matrix(), mlp, x.matrix());
    clock.lap("MLP");

    if (!keeps_trace) continue;
    step.heads = layer.heads;
    step.kv_head_of = layer.kv_head_of;
    step.d_head = shape.d_head;
    step.scale = config.effective_scale();
    trace.layers.push_back(std::move(step));
  }

  if (options.stop.stop_requested()) throw Cancelled();
  rms_norm(pool, x.matrix(), params.final_norm, eps, normed.matrix());
  clock.lap("norm");
  trace.logits = Tensor({seq, shape.vocab_size}, Fill::kNone);
  linear(pool, normed.matrix(), params.output(), {}, trace.logits.matrix());
  if (keeps_trace) trace.output = std::move(x);
  clock.lap("logits");
  return trace;
}

}  // namespace headroom
