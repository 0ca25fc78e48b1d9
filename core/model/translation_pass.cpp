#include "core/model/translation_pass.h"

#include <array>
#include <utility>

#include "core/model/forward_steps.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

void require_encoder(const ModelParams& params) {
  if (params.config.kind != ModelKind::kEncoderDecoder) throw ShapeError("the model has no encoder");
}

void check_text(const ModelConfig& config, std::span<const std::int32_t> ids) {
  check_ids(ids, config.shape.vocab_size);
  check_length(config, std::ssize(ids));
}

/// A decoder's blocks read the encoder's output.
class CrossAttention {
 public:
  /// `source_mask`: whose key_lengths say which tokens of the source are padding.
  CrossAttention(const ModelConfig& config, const Mask& source_mask, const Tensor& encoded, AttentionBackend& backend,
                 ThreadPool& pool)
      : config_(config), encoded_(encoded), backend_(backend), pool_(pool) {
    mask_.direction = Direction::kBidirectional;  // the whole source is there from the first word on
    mask_.key_lengths = source_mask.key_lengths;
  }

  /// x += what the block reads of the encoder, with its norm wherever that stands.
  void add(const LayerParams& layer, StageClock& clock, Tensor& x, LayerTrace& step) {
    const CrossParams& cross = layer.cross;
    step.input = x;
    step.normed = x;
    if (config_.norm_place != NormPlace::kAfter)
      normalize(pool_, config_, x.matrix(), cross.norm, cross.norm_bias, step.normed.matrix());
    clock.lap("norm");
    attend(layer, clock, step);
    add_to(pool_, step.attention.out.matrix(), x.matrix());
    clock.lap("W_O");
    if (config_.norm_place != NormPlace::kAfter) return;
    normalize(pool_, config_, x.matrix(), cross.norm, cross.norm_bias, x.matrix());
    clock.lap("norm");
  }

 private:
  void attend(const LayerParams& layer, StageClock& clock, LayerTrace& step) {
    const ModelShape& shape = config_.shape;
    const CrossParams& cross = layer.cross;
    const std::int64_t seq_q = step.normed.dim(0), seq_k = encoded_.dim(0);
    const std::int64_t n_heads = cross.w_q.dim(0) / shape.d_head, n_kv = cross.w_k.dim(0) / shape.d_head;
    AttentionConfig config;
    config.n_heads = n_heads;
    config.n_kv_heads = n_kv;
    config.d_head = shape.d_head;
    config.seq_q = seq_q;
    config.seq_k = seq_k;
    config.mask = mask_;
    // Relative positions say nothing between two texts: no bias.
    config.scale = config_.attention_scale;
    config.soft_cap = config_.score_cap;
    AttentionLayerResult& result = step.attention;
    result.q = Tensor({seq_q, n_heads * shape.d_head}, Fill::kNone);
    result.k = Tensor({seq_k, n_kv * shape.d_head}, Fill::kNone);
    result.v = Tensor({seq_k, n_kv * shape.d_head}, Fill::kNone);
    linear(pool_, step.normed.matrix(), cross.w_q.weights(), cross.b_q.span(), result.q.matrix());
    const std::array parts{LinearPart{cross.w_k.weights(), cross.b_k.span(), result.k.matrix()},
                           LinearPart{cross.w_v.weights(), cross.b_v.span(), result.v.matrix()}};
    linear(pool_, encoded_.matrix(), parts);
    clock.lap("q k v");
    result.head_out = Tensor({seq_q, n_heads * shape.d_head}, Fill::kNone);
    result.logsumexp = Tensor({n_heads, seq_q}, Fill::kNone);
    const auto heads_of = [&](Tensor& tensor, std::int64_t n) {
      return HeadsView::interleaved(tensor.data(), 1, n, tensor.dim(0), shape.d_head);
    };
    backend_.run(config, {heads_of(result.q, n_heads), heads_of(result.k, n_kv), heads_of(result.v, n_kv)},
                 {heads_of(result.head_out, n_heads), result.logsumexp.span(), {}});
    clock.lap("attention");
    result.out = Tensor({seq_q, shape.d_model}, Fill::kNone);
    linear(pool_, result.head_out.matrix(), cross.w_o.weights(), cross.b_o.span(), result.out.matrix());
    clock.lap("W_O");
    LayerParams unpruned;
    set_unpruned(unpruned, n_heads, n_kv);
    step.heads = unpruned.heads;
    step.kv_head_of = unpruned.kv_head_of;
    step.d_head = shape.d_head;
    step.scale = config.effective_scale();
    step.soft_cap = config.soft_cap;
    step.mask = config.mask;
  }

  const ModelConfig& config_;
  const Tensor& encoded_;
  AttentionBackend& backend_;
  ThreadPool& pool_;
  Mask mask_;
};

}  // namespace

TranslationTrace translate_pass(const ModelParams& params, std::span<const std::int32_t> source,
                                std::span<const std::int32_t> target, AttentionBackend& attention, ThreadPool& pool,
                                const TranslationOptions& options) {
  require_encoder(params);
  const ModelConfig& config = params.config;
  check_text(config, source);
  check_text(config, target);
  const bool keeps_trace = options.keep == ForwardOptions::Keep::kTrace;
  const std::unique_ptr<AttentionLayer> self_attention = make_cpu_attention_layer(pool, attention);
  const auto begin = [](ForwardTrace& trace, std::span<const std::int32_t> ids, Direction direction) {
    trace.ids.assign(ids.begin(), ids.end());
    trace.mask.direction = direction;
  };
  TranslationTrace trace;

  begin(trace.encoder, source, options.encoder_mask.direction);
  trace.encoder.mask = options.encoder_mask;
  StageClock encoder_clock(trace.encoder.times);
  Tensor encoded({std::ssize(source), config.shape.d_model}, Fill::kNone);
  embed_tokens(pool, encoder_of(params), {source}, encoded.matrix());
  run_stack(encoder_of(params), *self_attention,
            {pool, trace.encoder.mask, options.keep, options.stop, encoder_clock, trace.encoder.layers, {}}, encoded);
  if (!params.encoder_final_norm.empty())
    normalize(pool, config, encoded.matrix(), params.encoder_final_norm, params.encoder_final_norm_bias, encoded.matrix());
  encoder_clock.lap("norm");

  begin(trace.decoder, target, Direction::kCausal);
  StageClock clock(trace.decoder.times);
  Tensor x({std::ssize(target), config.shape.d_model}, Fill::kNone);
  embed_tokens(pool, decoder_of(params), {target}, x.matrix());
  begin(trace.cross, target, Direction::kBidirectional);
  trace.cross.mask.key_lengths = options.encoder_mask.key_lengths;
  trace.cross.key_ids.assign(source.begin(), source.end());
  CrossAttention cross(config, options.encoder_mask, encoded, attention, pool);
  const auto read_encoder = [&](const LayerParams& layer, Tensor& stream) {
    LayerTrace step;
    cross.add(layer, clock, stream, step);
    if (keeps_trace) trace.cross.layers.push_back(std::move(step));
  };
  run_stack(decoder_of(params), *self_attention,
            {pool, trace.decoder.mask, options.keep, options.stop, clock, trace.decoder.layers, read_encoder}, x);
  if (config.predicts) {
    trace.decoder.logits = Tensor({std::ssize(target), config.shape.vocab_size}, Fill::kNone);
    OutputHead(params, std::ssize(target)).logits(pool, x.matrix(), trace.decoder.logits.matrix());
  }
  clock.lap("logits");
  trace.encoder.output = std::move(encoded);
  if (keeps_trace) trace.decoder.output = std::move(x);
  return trace;
}

ModelParams encoder_alone(const ModelParams& params) {
  require_encoder(params);
  ModelParams encoder;
  encoder.config = params.config;
  encoder.config.kind = ModelKind::kMasked;
  encoder.config.shape.n_layers = params.config.n_encoder_layers;
  encoder.config.n_encoder_layers = 0;
  encoder.config.has_output_bias = encoder.config.has_head_transform = false;
  encoder.config.ties_embeddings = true;
  encoder.config.predicts = false;
  encoder.config.logit_scale = 1;
  encoder.config.logit_cap = 0;
  encoder.embedding = params.embedding;
  encoder.positions = params.encoder_positions;
  encoder.token_types = params.token_types;
  encoder.relative_bias = params.encoder_relative_bias;
  encoder.embedding_norm = params.encoder_embedding_norm;
  encoder.embedding_norm_bias = params.encoder_embedding_norm_bias;
  encoder.layers = params.encoder_layers;
  encoder.final_norm = params.encoder_final_norm;
  encoder.final_norm_bias = params.encoder_final_norm_bias;
  return encoder;
}

}  // namespace headroom
