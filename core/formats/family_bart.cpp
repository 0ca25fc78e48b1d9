#include "core/formats/family.h"

namespace headroom {
namespace {

/// BART's table of positions begins with two rows that no token has.
constexpr std::int64_t kUnusedPositions = 2;

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
  config.n_encoder_layers = reader.integer("encoder_layers", ConfigReader::kLayers);
  shape.n_heads = same_in_both(reader, "attention_heads", ConfigReader::kHeads);
  shape.n_kv_heads = shape.n_heads;
  shape.d_head = reader.head_size(shape.d_model, shape.n_heads);
  shape.d_ff = same_in_both(reader, "ffn_dim", ConfigReader::kMlpWidth);
  shape.max_positions = reader.integer("max_position_embeddings", ConfigReader::kPositions, 1024);
  reader.require_flag("scale_embedding", false, "embeddings multiplied by sqrt(d_model) are not supported");
  reader.require_flag("is_encoder_decoder", true, "half a BART is not supported");
  config.kind = ModelKind::kEncoderDecoder;
  config.norm = NormKind::kLayer;
  config.norm_place = NormPlace::kAfter;
  config.positions = PositionKind::kLearned;
  config.mlp = reader.gelu("activation_function", "gelu");
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
  if (shape.d_ff > 0 && (config.mlp == MlpKind::kSwiGlu || !config.has_mlp_bias)) return "BART has GELU MLPs with biases";
  if (!config.has_qkv_bias || !config.has_o_bias) return "BART has biases on q, k, v and after W_O";
  if (!config.has_embedding_norm || !config.has_output_bias || config.has_head_transform)
    return "BART has a norm after the embedding and a bias at its output, but no transform there";
  return {};
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
      {"activation_function", json_of(config.mlp == MlpKind::kGelu ? "gelu" : "gelu_new")},
      {"max_position_embeddings", json_of(shape.max_positions)},
      {"is_encoder_decoder", json_of(true)},
      {"scale_embedding", json_of(false)},
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

/// Adds the slots of one stack after another.
class Slots {
 public:
  explicit Slots(const ModelShape& shape) : shape_(shape), d_(shape.d_model) {}

  void plain(const std::string& name, std::vector<std::int64_t> dims, Tensor& target) {
    slots_.push_back(TensorSlot::plain(name, std::move(dims), target));
  }
  void positions(const std::string& name, Tensor& target) {
    plain(name, {shape_.max_positions, d_}, target);
    slots_.back().shape[0] += kUnusedPositions;
    slots_.back().skipped_rows = kUnusedPositions;
  }
  void norm(const std::string& name, Tensor& gain, Tensor& bias) {
    plain(name + ".weight", {d_}, gain);
    plain(name + ".bias", {d_}, bias);
  }
  /// Works for LayerParams and CrossParams, which name their matrices alike.
  template <typename Attention>
  void attention(const std::string& name, Attention& params) {
    linear(name + ".q_proj", params.w_q, params.b_q, d_, d_);
    linear(name + ".k_proj", params.w_k, params.b_k, d_, d_);
    linear(name + ".v_proj", params.w_v, params.b_v, d_, d_);
    linear(name + ".out_proj", params.w_o, params.b_o, d_, d_);
  }
  void mlp(const std::string& at, LayerParams& layer) {
    linear(at + "fc1", layer.w_up, layer.b_up, shape_.d_ff, d_);
    plain(at + "fc2.weight", {d_, shape_.d_ff}, layer.w_down);
    slots_.push_back(TensorSlot::mlp_bias(at + "fc2.bias", shape_, layer.b_down));
    norm(at + "final_layer_norm", layer.mlp_norm, layer.mlp_norm_bias);
  }
  void whole_name(const std::string& name, TensorPart part, std::vector<std::int64_t> dims) {
    TensorSlot slot;
    slot.name = name;
    slot.shape = std::move(dims);
    slot.parts = {std::move(part)};
    slot.has_prefix = false;
    slots_.push_back(std::move(slot));
  }
  std::vector<TensorSlot> take() { return std::move(slots_); }

 private:
  void linear(const std::string& name, Tensor& weight, Tensor& bias, std::int64_t rows, std::int64_t cols) {
    plain(name + ".weight", {rows, cols}, weight);
    plain(name + ".bias", {rows}, bias);
  }

  const ModelShape& shape_;
  std::int64_t d_;
  std::vector<TensorSlot> slots_;
};

std::vector<TensorSlot> slots(ModelParams& params) {
  const ModelShape& shape = params.config.shape;
  Slots slots(shape);
  slots.plain("shared.weight", {shape.vocab_size, shape.d_model}, params.embedding);
  slots.positions("encoder.embed_positions.weight", params.encoder_positions);
  slots.norm("encoder.layernorm_embedding", params.encoder_embedding_norm, params.encoder_embedding_norm_bias);
  for (std::size_t i = 0; i < params.encoder_layers.size(); ++i) {
    LayerParams& layer = params.encoder_layers[i];
    const std::string at = "encoder.layers." + std::to_string(i) + ".";
    slots.attention(at + "self_attn", layer);
    slots.norm(at + "self_attn_layer_norm", layer.attention_norm, layer.attention_norm_bias);
    slots.mlp(at, layer);
  }
  slots.positions("decoder.embed_positions.weight", params.positions);
  slots.norm("decoder.layernorm_embedding", params.embedding_norm, params.embedding_norm_bias);
  for (std::size_t i = 0; i < params.layers.size(); ++i) {
    LayerParams& layer = params.layers[i];
    const std::string at = "decoder.layers." + std::to_string(i) + ".";
    slots.attention(at + "self_attn", layer);
    slots.norm(at + "self_attn_layer_norm", layer.attention_norm, layer.attention_norm_bias);
    slots.attention(at + "encoder_attn", layer.cross);
    slots.norm(at + "encoder_attn_layer_norm", layer.cross.norm, layer.cross.norm_bias);
    slots.mlp(at, layer);
  }
  slots.whole_name("final_logits_bias", {&params.output_bias, {shape.vocab_size}}, {1, shape.vocab_size});
  if (!params.config.ties_embeddings)
    slots.whole_name("lm_head.weight", {&params.lm_head, {shape.vocab_size, shape.d_model}}, {shape.vocab_size, shape.d_model});
  return slots.take();
}

}  // namespace

Family bart_family() {
  return {.model_type = "bart",
          .architecture = "BartForConditionalGeneration",
          .prefix = "model.",
          .layer_prefixes = {"encoder.layers.", "decoder.layers."},
          .ignored = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"},
          .read = read,
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace headroom
