#include <cmath>

#include "core/attention/config.h"
#include "core/formats/family.h"
#include "core/formats/slot_list.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

/// What the first T5s multiply the decoder's last state by: their output is the embedding, which is that much larger.
float logit_scale_of(const ModelShape& shape) { return 1 / std::sqrt(static_cast<float>(shape.d_model)); }

MlpKind gated(MlpKind activation) {
  switch (activation) {
    case MlpKind::kGelu:
      return MlpKind::kGeGlu;
    case MlpKind::kGeluTanh:
      return MlpKind::kGeGluTanh;
    case MlpKind::kRelu:
      return MlpKind::kReGlu;
    default:
      return MlpKind::kSwiGlu;
  }
}

/// "relu", "gated-gelu" (which means gelu_new), "gated-silu", ...
MlpKind read_mlp(const ConfigReader& reader) {
  const JsonValue* value = reader.set("feed_forward_proj");
  if (value == nullptr) return MlpKind::kRelu;
  constexpr std::string_view kGated = "gated-";
  if (value->is(Type::kString)) {
    const std::string& name = value->string;
    if (name == "gated-gelu") return MlpKind::kGeGluTanh;
    const bool is_gated = name.starts_with(kGated);
    if (const auto known = ConfigReader::activation_named(is_gated ? name.substr(kGated.size()) : name))
      return is_gated ? gated(*known) : *known;
  }
  reader.fail("feed_forward_proj is " + describe(*value) +
              ", but only \"relu\", \"gelu\", \"gelu_new\" and \"silu\" are supported, each also behind \"gated-\"");
}

void read_buckets(const ConfigReader& reader, ModelConfig& config) {
  // Below 4 buckets the encoder's half of a half is empty.
  config.relative_buckets = reader.integer("relative_attention_num_buckets", {4, 65536}, 32);
  config.relative_max_distance = reader.integer("relative_attention_max_distance", {1, 1 << 20}, 128);
  // The decoder counts half of the buckets one by one, and spreads the other half up to the largest distance.
  if (config.relative_max_distance <= config.relative_buckets / 2)
    reader.fail("relative_attention_max_distance is " + std::to_string(config.relative_max_distance) +
                ", but with relative_attention_num_buckets = " + std::to_string(config.relative_buckets) +
                " more than half of that is needed");
}

void read(const ConfigReader& reader, const Family&, ModelConfig& config) {
  ModelShape& shape = config.shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("d_model", "hidden_size", ConfigReader::kWidth);
  config.n_encoder_layers = reader.integer("num_layers", "num_hidden_layers", ConfigReader::kLayers);
  shape.n_layers = reader.integer("num_decoder_layers", ConfigReader::kLayers, config.n_encoder_layers);
  shape.n_heads = reader.integer("num_heads", "num_attention_heads", ConfigReader::kHeads);
  shape.n_kv_heads = shape.n_heads;
  shape.d_head = reader.integer("d_kv", "head_dim", {1, kMaxDHead}, 64);
  shape.d_ff = reader.integer("d_ff", {1, ConfigReader::kMlpWidth.high});
  shape.max_positions = reader.integer("n_positions", ConfigReader::kPositions, 512);  // the length trained on; longer texts work
  reader.require_flag("is_encoder_decoder", true, "half a T5 is not supported");
  config.kind = ModelKind::kEncoderDecoder;
  config.norm = NormKind::kRms;
  config.norm_place = NormPlace::kBefore;
  config.positions = PositionKind::kRelative;
  read_buckets(reader, config);
  config.attention_scale = 1;
  config.mlp = read_mlp(reader);
  config.rms_norm_eps = reader.real("layer_norm_epsilon", 1e-30, 1, 1e-6f);
  config.has_qkv_bias = config.has_o_bias = config.has_mlp_bias = false;
  // Later T5s have an output of their own and no factor. Old files say so by tie_word_embeddings, new ones by scale_decoder_outputs.
  const bool scales = reader.flag("scale_decoder_outputs", reader.flag("tie_word_embeddings", true));
  config.ties_embeddings = scales;
  if (scales) config.logit_scale = logit_scale_of(shape);
}

/// An output that is missing is the embedding, as transformers ties them.
void settle(const Family::HasTensor& has, ModelConfig& config) {
  if (!has("lm_head.weight")) config.ties_embeddings = true;
}

std::string problem(const ModelConfig& config) {
  const ModelShape& shape = config.shape;
  if (config.kind != ModelKind::kEncoderDecoder) return "T5 is an encoder and a decoder, and this model is not";
  if (config.norm != NormKind::kRms || config.norm_place != NormPlace::kBefore)
    return "T5 has RMS norms before each sub-layer and at the end";
  if (config.positions != PositionKind::kRelative) return "T5 has relative positions";
  if (shape.n_kv_heads != shape.n_heads)
    return "T5 has one K/V head for each head, so kv_heads = " + std::to_string(shape.n_kv_heads) +
           " must be h = " + std::to_string(shape.n_heads);
  if (shape.d_ff < 1) return "T5 has MLPs";
  if (config.has_qkv_bias || config.has_o_bias || config.has_mlp_bias || config.has_output_bias) return "T5 has no biases";
  if (config.has_embedding_norm || config.has_head_transform || !config.predicts)
    return "T5 has neither a norm after the embedding nor a transform at its output";
  if (config.attention_scale != 1.0f) return "T5's scores are q·k, with no scale";
  if (config.logit_scale != 1 && config.logit_scale != logit_scale_of(shape))
    return "T5's last state is multiplied by 1 / sqrt(d_model), or by nothing";
  if (config.logit_scale != 1 && !config.ties_embeddings) return "a T5 with a factor at its output has the embedding there";
  ModelConfig rest = config;
  rest.attention_scale.reset();
  rest.logit_scale = 1;
  return find_score_problem(rest, "T5");
}

std::string feed_forward_name(MlpKind mlp) {
  return (is_gated(mlp) ? "gated-" : "") + std::string(mlp == MlpKind::kGeGluTanh ? "gelu" : activation_name(mlp));
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  const ModelShape& shape = config.shape;
  const bool scales = config.logit_scale != 1;
  return {
      {"vocab_size", json_of(shape.vocab_size)},
      {"d_model", json_of(shape.d_model)},
      {"d_kv", json_of(shape.d_head)},
      {"d_ff", json_of(shape.d_ff)},
      {"num_layers", json_of(config.n_encoder_layers)},
      {"num_decoder_layers", json_of(shape.n_layers)},
      {"num_heads", json_of(shape.n_heads)},
      {"relative_attention_num_buckets", json_of(config.relative_buckets)},
      {"relative_attention_max_distance", json_of(config.relative_max_distance)},
      {"n_positions", json_of(shape.max_positions)},
      {"feed_forward_proj", json_of(feed_forward_name(config.mlp).c_str())},
      {"layer_norm_epsilon", json_of(config.rms_norm_eps)},
      {"is_encoder_decoder", json_of(true)},
      {"tie_word_embeddings", json_of(scales)},
      {"dropout_rate", "0.0"},
      {"eos_token_id", json_of_id(ids.eos)},
      {"pad_token_id", json_of_id(ids.pad)},
      {"decoder_start_token_id", json_of_id(ids.pad)},
  };
}

/// Works for LayerParams and CrossParams, which name their matrices alike.
template <typename Attention>
void add_attention(const std::string& at, Attention& params, const ModelShape& shape, SlotList& slots) {
  const std::int64_t width = shape.n_heads * shape.d_head;
  slots.plain(at + ".q.weight", {width, shape.d_model}, params.w_q);
  slots.plain(at + ".k.weight", {width, shape.d_model}, params.w_k);
  slots.plain(at + ".v.weight", {width, shape.d_model}, params.w_v);
  slots.plain(at + ".o.weight", {shape.d_model, width}, params.w_o);
}

/// The second half of a block, which is its layer 1 or 2.
void add_mlp(const std::string& at, LayerParams& layer, const ModelConfig& config, SlotList& slots) {
  const ModelShape& shape = config.shape;
  const std::string dense = at + "DenseReluDense.";
  if (is_gated(config.mlp)) {
    slots.plain(dense + "wi_0.weight", {shape.d_ff, shape.d_model}, layer.w_gate);
    slots.plain(dense + "wi_1.weight", {shape.d_ff, shape.d_model}, layer.w_up);
  } else {
    slots.plain(dense + "wi.weight", {shape.d_ff, shape.d_model}, layer.w_up);
  }
  slots.plain(dense + "wo.weight", {shape.d_model, shape.d_ff}, layer.w_down);
  slots.plain(at + "layer_norm.weight", {shape.d_model}, layer.mlp_norm);
}

struct Stack {
  const char* name;
  std::vector<LayerParams>& layers;
  Tensor &relative_bias, &final_norm;
};

void add_stack(const Stack& stack, const ModelConfig& config, SlotList& slots) {
  const ModelShape& shape = config.shape;
  const std::string name = stack.name;
  for (std::size_t i = 0; i < stack.layers.size(); ++i) {
    LayerParams& layer = stack.layers[i];
    const std::string at = name + ".block." + std::to_string(i) + ".layer.";
    add_attention(at + "0.SelfAttention", layer, shape, slots);
    // In the first block alone; every block reads it.
    if (i == 0)
      slots.plain(at + "0.SelfAttention.relative_attention_bias.weight", {config.relative_buckets, shape.n_heads},
                  stack.relative_bias);
    slots.plain(at + "0.layer_norm.weight", {shape.d_model}, layer.attention_norm);
    const bool reads_encoder = name == "decoder";
    if (reads_encoder) {
      add_attention(at + "1.EncDecAttention", layer.cross, shape, slots);
      slots.plain(at + "1.layer_norm.weight", {shape.d_model}, layer.cross.norm);
    }
    add_mlp(at + (reads_encoder ? "2." : "1."), layer, config, slots);
  }
  slots.plain(name + ".final_layer_norm.weight", {shape.d_model}, stack.final_norm);
}

std::vector<TensorSlot> slots(ModelParams& params) {
  const ModelConfig& config = params.config;
  const std::vector<std::int64_t> words = {config.shape.vocab_size, config.shape.d_model};
  SlotList slots;
  slots.plain("shared.weight", words, params.embedding).other_names = {"encoder.embed_tokens.weight",
                                                                       "decoder.embed_tokens.weight"};
  add_stack({"encoder", params.encoder_layers, params.encoder_relative_bias, params.encoder_final_norm}, config, slots);
  add_stack({"decoder", params.layers, params.relative_bias, params.final_norm}, config, slots);
  if (!config.ties_embeddings) slots.plain("lm_head.weight", words, params.lm_head);
  return slots.take();
}

}  // namespace

Family t5_family() {
  return {.model_type = "t5",
          .architecture = "T5ForConditionalGeneration",
          .layer_prefixes = {"encoder.block.", "decoder.block."},
          // Old files have a table for the attention on the encoder, which has no positions.
          .ignored = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
                      "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"},
          .read = read,
          .settle = settle,
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace headroom
