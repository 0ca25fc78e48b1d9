#include "core/model/translation_pass.h"

#include <utility>

#include "core/model/cross_attention.h"
#include "core/model/forward_steps.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

void require_encoder(const ModelParams& params) {
  if (params.config.kind != ModelKind::kEncoderDecoder) throw ShapeError("the model has no encoder");
}

void check_text(const ModelConfig& config, std::span<const std::int32_t> ids) {
  check_ids(ids, config.shape.vocab_size);
  check_length(config, std::ssize(ids));
}

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
  CrossAttention cross(params, {encoded, options.encoder_mask.key_lengths}, attention, pool);
  const auto read_encoder = [&](const LayerParams& layer, Tensor& stream) {
    LayerTrace step = cross.add_traced(layer, clock, stream);
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
