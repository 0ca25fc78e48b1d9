#include "core/model/forward.h"

#include <algorithm>

#include "core/model/forward_steps.h"
#include "core/tensor/error.h"

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

std::shared_ptr<const RowSums> make_row_sums(const LayerTrace& layer) {
  if (layer.heads.empty()) return nullptr;
  const Tensor &q = layer.attention.q, &k = layer.attention.k;
  if (q.rank() != 2 || k.rank() != 2 || layer.d_head <= 0) throw ShapeError("row sums need a layer that holds its q and k");
  AttentionConfig config;
  config.n_heads = std::ssize(layer.heads);
  config.n_kv_heads = k.dim(1) / layer.d_head;
  config.d_head = layer.d_head;
  config.seq_q = q.dim(0);
  config.seq_k = k.dim(0);
  config.scale = layer.scale;
  config.soft_cap = layer.soft_cap;
  config.position_bias = layer.position_bias;
  config.mask = layer.mask;
  config.kv_head_of = layer.kv_head_of;
  if (q.dim(1) != config.n_heads * layer.d_head || k.dim(1) != config.n_kv_heads * layer.d_head) {
    throw ShapeError("row sums need a q and k of whole heads");
  }
  return std::make_shared<const RowSums>(config,
                                         ConstHeadsView::interleaved(q.data(), 1, config.n_heads, config.seq_q, layer.d_head),
                                         ConstHeadsView::interleaved(k.data(), 1, config.n_kv_heads, config.seq_k, layer.d_head));
}

std::int64_t LayerTrace::index_of(std::int64_t head) const {
  const auto found = std::lower_bound(heads.begin(), heads.end(), head);
  return found != heads.end() && *found == head ? found - heads.begin() : -1;
}

void run_stack(const StackParams& stack, AttentionLayer& attention, const StackRun& run, Tensor& x) {
  const ModelConfig& config = stack.config;
  const std::int64_t seq = x.dim(0);
  const bool keeps_trace = run.keep == ForwardOptions::Keep::kTrace, is_parallel = config.block_order == BlockOrder::kParallel;
  const std::optional<Rotary> rotary = rotary_of(config, seq);
  Tensor normed({seq, config.shape.d_model}, Fill::kNone);
  MlpHalf mlp(run.pool, config, seq);
  StageClock& clock = run.clock;
  const StackScores scores(stack, run.mask);
  clock.lap("embed");
  for (std::size_t i = 0; i < stack.layers.size(); ++i) {
    const LayerParams& layer = stack.layers[i];
    if (run.stop.stop_requested()) throw Cancelled();
    const AttentionConfig shape = scores.config(i, seq);
    LayerTrace step = layer_trace(layer, shape);
    if (keeps_trace) step.input = x;
    attention_input(run.pool, config, layer, x.matrix(), normed.matrix());
    if (keeps_trace) step.normed = normed;
    clock.lap("norm");

    step.attention = layer.heads.empty()
                         ? no_attention(layer, seq, config.shape.d_model)
                         : attention.run(shape, layer.attention(config.rms_norm_eps), rotary, normed.matrix(), run.stop);
    for (const StageTime& time : step.attention.times)
      clock.add(time.stage, time.ms);
    clock.skip();
    if (is_parallel) mlp.add(layer, clock, x.matrix());  // it reads x without what attention adds
    add_attention(run.pool, config, layer, {step.attention.out.matrix(), normed.matrix(), x.matrix()});
    clock.lap("W_O");
    if (config.norm_place == NormPlace::kAfter) {
      normalize(run.pool, config, x.matrix(), layer.attention_norm, layer.attention_norm_bias, x.matrix());
      clock.lap("norm");
    }
    if (run.between) run.between(layer, x);
    if (!is_parallel) mlp.add(layer, clock, x.matrix());
    if (keeps_trace) run.layers.push_back(std::move(step));
  }
  if (run.stop.stop_requested()) throw Cancelled();
}

ForwardTrace forward(const ModelParams& params, std::span<const std::int32_t> ids, AttentionLayer& attention, ThreadPool& pool,
                     const ForwardOptions& options) {
  const ModelConfig& config = params.config;
  if (config.kind == ModelKind::kEncoderDecoder)
    throw ShapeError("an encoder-decoder reads two texts: one of its stacks alone cannot be run as a model");
  check_ids(ids, config.shape.vocab_size);
  check_length(config, std::ssize(ids));
  ForwardTrace trace;
  trace.ids.assign(ids.begin(), ids.end());
  trace.mask = options.mask;
  StageClock clock(trace.times);
  Tensor x({std::ssize(ids), config.shape.d_model}, Fill::kNone);
  const StackParams stack = decoder_of(params);
  embed_tokens(pool, stack, {ids, 0, options.token_types}, x.matrix());
  run_stack(stack, attention, {pool, options.mask, options.keep, options.stop, clock, trace.layers, {}}, x);
  if (config.predicts) {
    trace.logits = Tensor({std::ssize(ids), config.shape.vocab_size}, Fill::kNone);
    OutputHead(params, std::ssize(ids)).logits(pool, x.matrix(), trace.logits.matrix());
  }
  if (options.keep == ForwardOptions::Keep::kTrace) trace.output = std::move(x);
  clock.lap("logits");
  return trace;
}

}  // namespace headroom
