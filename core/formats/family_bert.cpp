#include "core/formats/family.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

void read(const ConfigReader& reader, const Family&, ModelConfig& config) {
  ModelShape& shape = config.shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("hidden_size", ConfigReader::kWidth);
  shape.n_layers = reader.integer("num_hidden_layers", ConfigReader::kLayers);
  shape.n_heads = reader.integer("num_attention_heads", ConfigReader::kHeads);
  shape.n_kv_heads = shape.n_heads;
  shape.d_head = reader.head_size(shape.d_model, shape.n_heads);
  shape.d_ff = reader.integer("intermediate_size", ConfigReader::kMlpWidth);
  shape.max_positions = reader.integer("max_position_embeddings", ConfigReader::kPositions, 512);
  reader.require_flag("is_decoder", false, "a BERT that works as a decoder is not supported");
  reader.require_flag("add_cross_attention", false, "a decoder that reads another model is not supported");
  if (const JsonValue* kind = reader.set("position_embedding_type"))
    if (!kind->is(Type::kString) || kind->string != "absolute")
      reader.fail("position_embedding_type is " + describe(*kind) + ", but only \"absolute\" is supported");
  config.kind = ModelKind::kMasked;
  config.norm = NormKind::kLayer;
  config.norm_place = NormPlace::kAfter;
  config.positions = PositionKind::kLearned;
  config.mlp = reader.gelu("hidden_act", "gelu");
  config.rms_norm_eps = reader.real("layer_norm_eps", 1e-30, 1, 1e-12f);
  config.ties_embeddings = reader.flag("tie_word_embeddings", true);
  config.has_qkv_bias = config.has_o_bias = config.has_mlp_bias = true;
  config.has_embedding_norm = config.has_head_transform = config.has_output_bias = true;
}

std::string problem(const ModelConfig& config) {
  const ModelShape& shape = config.shape;
  if (config.kind != ModelKind::kMasked) return "BERT predicts hidden words from both sides, and this model does not";
  if (config.norm != NormKind::kLayer || config.norm_place != NormPlace::kAfter || config.positions != PositionKind::kLearned)
    return "BERT has LayerNorm after each sub-layer and learned positions";
  if (shape.n_kv_heads != shape.n_heads)
    return "BERT has one K/V head for each head, so kv_heads = " + std::to_string(shape.n_kv_heads) +
           " must be h = " + std::to_string(shape.n_heads);
  if (shape.n_heads * shape.d_head != shape.d_model) return "BERT's heads are d_model / h wide";
  if (config.mlp == MlpKind::kSwiGlu || (shape.d_ff > 0 && !config.has_mlp_bias)) return "BERT has GELU MLPs with biases";
  if (!config.has_qkv_bias || !config.has_o_bias) return "BERT has biases on q, k, v and after W_O";
  if (!config.has_embedding_norm || !config.has_head_transform || !config.has_output_bias)
    return "BERT has a norm after the embedding, and a transform and a bias at its output";
  return {};
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  const ModelShape& shape = config.shape;
  return {
      {"vocab_size", json_of(shape.vocab_size)},
      {"hidden_size", json_of(shape.d_model)},
      {"num_hidden_layers", json_of(shape.n_layers)},
      {"num_attention_heads", json_of(shape.n_heads)},
      {"intermediate_size", json_of(shape.d_ff)},
      {"hidden_act", json_of(config.mlp == MlpKind::kGelu ? "gelu" : "gelu_new")},
      {"max_position_embeddings", json_of(shape.max_positions)},
      {"type_vocab_size", json_of(kWrittenAnyRows)},
      {"layer_norm_eps", json_of(config.rms_norm_eps)},
      {"tie_word_embeddings", json_of(config.ties_embeddings)},
      {"attention_probs_dropout_prob", "0.0"},
      {"hidden_dropout_prob", "0.0"},
      {"bos_token_id", json_of_id(ids.bos)},
      {"eos_token_id", json_of_id(ids.eos)},
      {"pad_token_id", json_of_id(ids.pad)},
  };
}

std::vector<TensorSlot> slots(ModelParams& params) {
  const ModelShape& shape = params.config.shape;
  const std::int64_t d = shape.d_model;
  std::vector<TensorSlot> slots;
  const auto plain = [&](const std::string& name, std::vector<std::int64_t> dims, Tensor& target) {
    slots.push_back(TensorSlot::plain(name, std::move(dims), target));
  };
  const auto linear = [&](const std::string& name, Tensor& weight, Tensor& bias, std::int64_t rows, std::int64_t cols) {
    plain(name + ".weight", {rows, cols}, weight);
    plain(name + ".bias", {rows}, bias);
  };
  const auto norm = [&](const std::string& name, Tensor& gain, Tensor& bias) {
    plain(name + ".weight", {d}, gain);
    plain(name + ".bias", {d}, bias);
  };
  plain("embeddings.word_embeddings.weight", {shape.vocab_size, d}, params.embedding);
  plain("embeddings.position_embeddings.weight", {shape.max_positions, d}, params.positions);
  // What this program trained has no types: it wrote zeros.
  TensorSlot types = TensorSlot::plain("embeddings.token_type_embeddings.weight", {kAnyRows, d}, params.token_types);
  types.layout = SlotLayout::kNoneIfZero;
  slots.push_back(std::move(types));
  norm("embeddings.LayerNorm", params.embedding_norm, params.embedding_norm_bias);
  for (std::size_t i = 0; i < params.layers.size(); ++i) {
    LayerParams& layer = params.layers[i];
    const std::string at = "encoder.layer." + std::to_string(i) + ".";
    linear(at + "attention.self.query", layer.w_q, layer.b_q, d, d);
    linear(at + "attention.self.key", layer.w_k, layer.b_k, d, d);
    linear(at + "attention.self.value", layer.w_v, layer.b_v, d, d);
    linear(at + "attention.output.dense", layer.w_o, layer.b_o, d, d);
    norm(at + "attention.output.LayerNorm", layer.attention_norm, layer.attention_norm_bias);
    linear(at + "intermediate.dense", layer.w_up, layer.b_up, shape.d_ff, d);
    plain(at + "output.dense.weight", {d, shape.d_ff}, layer.w_down);
    slots.push_back(TensorSlot::mlp_bias(at + "output.dense.bias", shape, layer.b_down));
    norm(at + "output.LayerNorm", layer.mlp_norm, layer.mlp_norm_bias);
  }
  const std::size_t first_of_head = slots.size();
  linear("cls.predictions.transform.dense", params.head_dense, params.head_dense_bias, d, d);
  norm("cls.predictions.transform.LayerNorm", params.head_norm, params.head_norm_bias);
  plain("cls.predictions.bias", {shape.vocab_size}, params.output_bias);
  if (!params.config.ties_embeddings) plain("cls.predictions.decoder.weight", {shape.vocab_size, d}, params.lm_head);
  for (std::size_t i = first_of_head; i < slots.size(); ++i)
    slots[i].has_prefix = false;
  return slots;
}

}  // namespace

Family bert_family() {
  return {.model_type = "bert",
          .architecture = "BertForMaskedLM",
          .prefix = "bert.",
          .layer_prefixes = {"encoder.layer."},
          .ignored = {"embeddings.position_ids", "embeddings.token_type_ids", "cls.predictions.decoder.bias",
                      "cls.predictions.decoder.weight"},
          .read = read,
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace headroom
