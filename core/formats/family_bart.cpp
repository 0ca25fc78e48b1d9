#include <cmath>

#include "core/formats/family.h"
#include "core/formats/slot_list.h"

namespace headroom {
namespace {

/// BART's table of positions begins with two rows that no token has.
constexpr std::int64_t kUnusedPositions = 2;

/// What embeddings are multiplied by under scale_embedding.
float scale_of(const ModelShape& shape) { return std::sqrt(static_cast<float>(shape.d_model)); }

/// Both stacks have the same h and width here, as in every published BART.
std::int64_t same_in_both(const ConfigReader& reader, const std::string& what, ConfigReader::Range range) {
  const std::string encoder = "encoder_" + what, decoder = "decoder_" + what;
  const std::int64_t value = reader.integer(decoder.c_str(), range), other = reader.integer(encoder.c_str(), range);
  if (value != other)
    reader.fail(encoder + " is " + std::to_string(other) + " and " + decoder + " is " + std::to_string(value) +
                ", but stacks that differ so are not supported");
  return value;
}

void read(const ConfigReader& reader, const Family&, ModelConfig& config) {
  ModelShape& shape = config.shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("d_model", "hidden_size", ConfigReader::kWidth);
  shape.n_layers = reader.integer("decoder_layers", ConfigReader::kLayers);
  config.n_encoder_layers = reader.integer("encoder_layers", "num_hidden_layers", ConfigReader::kLayers);
  shape.n_heads = same_in_both(reader, "attention_heads", ConfigReader::kHeads);
  if (reader.integer("num_attention_heads", ConfigReader::kHeads, shape.n_heads) != shape.n_heads)
    reader.fail("num_attention_heads and encoder_attention_heads mean the same, but differ");
  shape.n_kv_heads = shape.n_heads;
  shape.d_head = reader.head_size(shape.d_model, shape.n_heads);
  shape.d_ff = same_in_both(reader, "ffn_dim", ConfigReader::kMlpWidth);
  shape.max_positions = reader.integer("max_position_embeddings", ConfigReader::kPositions, 1024);
  if (reader.flag("scale_embedding", false)) config.embedding_scale = scale_of(shape);
  reader.require_flag("is_encoder_decoder", true, "half a BART is not supported");
  config.kind = ModelKind::kEncoderDecoder;
  config.norm = NormKind::kLayer;
  config.norm_place = NormPlace::kAfter;
  config.positions = PositionKind::kLearned;
  config.mlp = reader.activation("activation_function", "gelu");
  config.rms_norm_eps = 1e-5f;  // not in the file
  config.ties_embeddings = reader.flag("tie_word_embeddings", true);
  config.has_qkv_bias = config.has_o_bias = config.has_mlp_bias = true;
  config.has_embedding_norm = config.has_output_bias = true;
}

std::string problem(const ModelConfig& config) {
  const ModelShape& shape = config.shape;
  if (config.kind != ModelKind::kEncoderDecoder) return "BART is an encoder and a decoder, and this model is not";
  if (config.norm != NormKind::kLayer || config.norm_place != NormPlace::kAfter || config.positions != PositionKind::kLearned)
    return "BART has LayerNorm after each sub-layer and learned positions";
  if (config.rms_norm_eps != 1e-5f) return "BART's norms have the eps 1e-5, which its config.json does not hold";
  if (shape.n_kv_heads != shape.n_heads)
    return "BART has one K/V head for each head, so kv_heads = " + std::to_string(shape.n_kv_heads) +
           " must be h = " + std::to_string(shape.n_heads);
  if (shape.n_heads * shape.d_head != shape.d_model) return "BART's heads are d_model / h wide";
  if (shape.d_ff > 0 && (is_gated(config.mlp) || !config.has_mlp_bias)) return "BART has ungated MLPs with biases";
  if (!config.has_qkv_bias || !config.has_o_bias) return "BART has biases on q, k, v and after W_O";
  if (!config.has_embedding_norm || config.has_head_transform)
    return "BART has a norm after the embedding, and no transform at its output";
  if (!config.predicts) return "a BART without its output is not written";
  ModelConfig scores = config;
  if (scores.embedding_scale == scale_of(shape)) scores.embedding_scale = 1;
  return find_score_problem(scores, "BART");
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  const ModelShape& shape = config.shape;
  return {
      {"vocab_size", json_of(shape.vocab_size)},
      {"d_model", json_of(shape.d_model)},
      {"encoder_layers", json_of(config.n_encoder_layers)},
      {"decoder_layers", json_of(shape.n_layers)},
      {"encoder_attention_heads", json_of(shape.n_heads)},
      {"decoder_attention_heads", json_of(shape.n_heads)},
      {"encoder_ffn_dim", json_of(shape.d_ff)},
      {"decoder_ffn_dim", json_of(shape.d_ff)},
      {"activation_function", json_of(activation_name(config.mlp))},
      {"max_position_embeddings", json_of(shape.max_positions)},
      {"is_encoder_decoder", json_of(true)},
      {"scale_embedding", json_of(config.embedding_scale != 1)},
      {"tie_word_embeddings", json_of(config.ties_embeddings)},
      {"dropout", "0.0"},
      {"attention_dropout", "0.0"},
      {"activation_dropout", "0.0"},
      {"bos_token_id", json_of_id(ids.bos)},
      {"eos_token_id", json_of_id(ids.eos)},
      {"pad_token_id", json_of_id(ids.pad)},
      {"decoder_start_token_id", json_of_id(ids.bos)},
      {"forced_eos_token_id", json_of_id(ids.eos)},
  };
}

/// Works for LayerParams and CrossParams, which name their matrices alike.
template <typename Attention>
void add_attention(const std::string& at, Attention& params, std::int64_t d, SlotList& slots) {
  slots.linear(at + ".q_proj", {params.w_q, params.b_q}, d, d);
  slots.linear(at + ".k_proj", {params.w_k, params.b_k}, d, d);
  slots.linear(at + ".v_proj", {params.w_v, params.b_v}, d, d);
  slots.linear(at + ".out_proj", {params.w_o, params.b_o}, d, d);
}

void add_positions(const std::string& name, const ModelShape& shape, Tensor& positions, SlotList& slots) {
  TensorSlot& slot = slots.plain(name, {shape.max_positions, shape.d_model}, positions);
  slot.shape[0] += kUnusedPositions;
  slot.skipped_rows = kUnusedPositions;
}

void add_layer(const std::string& at, LayerParams& layer, const ModelConfig& config, SlotList& slots) {
  const ModelShape& shape = config.shape;
  const std::int64_t d = shape.d_model;
  add_attention(at + "self_attn", layer, d, slots);
  slots.norm(at + "self_attn_layer_norm", {layer.attention_norm, layer.attention_norm_bias}, d);
  if (at.starts_with("decoder")) {
    add_attention(at + "encoder_attn", layer.cross, d, slots);
    slots.norm(at + "encoder_attn_layer_norm", {layer.cross.norm, layer.cross.norm_bias}, d);
  }
  slots.linear(at + "fc1", {layer.w_up, layer.b_up}, shape.d_ff, d);
  slots.mlp_end(at + "fc2", {layer.w_down, layer.b_down}, shape);
  slots.norm(at + "final_layer_norm", {layer.mlp_norm, layer.mlp_norm_bias}, d);
}

std::vector<TensorSlot> slots(ModelParams& params) {
  const ModelConfig& config = params.config;
  const ModelShape& shape = config.shape;
  const std::int64_t d = shape.d_model;
  SlotList slots;
  slots.plain("shared.weight", {shape.vocab_size, d}, params.embedding).other_names = {
      "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"};
  add_positions("encoder.embed_positions.weight", shape, params.encoder_positions, slots);
  slots.norm("encoder.layernorm_embedding", {params.encoder_embedding_norm, params.encoder_embedding_norm_bias}, d);
  for (std::size_t i = 0; i < params.encoder_layers.size(); ++i)
    add_layer("encoder.layers." + std::to_string(i) + ".", params.encoder_layers[i], config, slots);
  add_positions("decoder.embed_positions.weight", shape, params.positions, slots);
  slots.norm("decoder.layernorm_embedding", {params.embedding_norm, params.embedding_norm_bias}, d);
  for (std::size_t i = 0; i < params.layers.size(); ++i)
    add_layer("decoder.layers." + std::to_string(i) + ".", params.layers[i], config, slots);
  // Where nothing is tied, transformers gives each stack its own; here both read one.
  if (!config.ties_embeddings)
    for (const char* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
      slots.plain(name, {shape.vocab_size, d}, params.embedding).layout = SlotLayout::kSame;
  const std::size_t first_of_head = slots.size();
  if (config.has_output_bias)
    slots.plain("final_logits_bias", {shape.vocab_size}, params.output_bias).shape = {1, shape.vocab_size};
  if (!config.ties_embeddings) slots.plain("lm_head.weight", {shape.vocab_size, d}, params.lm_head);
  slots.name_whole(first_of_head);
  return slots.take();
}

/// A BART that was saved without its output is that of transformers' BartModel: a tied output is the embedding, an own one is missing.
void settle(const Family::HasTensor& has, ModelConfig& config) {
  config.has_output_bias = has("final_logits_bias");
  if (config.ties_embeddings) return;
  if (has("lm_head.weight")) return;
  config.predicts = false;
  config.ties_embeddings = true;
}

}  // namespace

Family bart_family() {
  return {.model_type = "bart",
          .architecture = "BartForConditionalGeneration",
          .prefix = "model.",
          .layer_prefixes = {"encoder.layers.", "decoder.layers."},
          .ignored = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"},
          .read = read,
          .settle = settle,
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace headroom
