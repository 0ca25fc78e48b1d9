#include "core/formats/bert_block.h"

namespace headroom {
namespace {

/// Not in the file.
constexpr float kEps = 1e-12f;

void read(const ConfigReader& reader, const Family&, ModelConfig& config) {
  ModelShape& shape = config.shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("dim", "hidden_size", ConfigReader::kWidth);
  shape.n_layers = reader.integer("n_layers", "num_hidden_layers", ConfigReader::kLayers);
  shape.n_heads = reader.integer("n_heads", "num_attention_heads", ConfigReader::kHeads);
  shape.n_kv_heads = shape.n_heads;
  shape.d_head = reader.head_size(shape.d_model, shape.n_heads);
  shape.d_ff = reader.integer("hidden_dim", ConfigReader::kMlpWidth);
  shape.max_positions = reader.integer("max_position_embeddings", ConfigReader::kPositions, 512);
  // Sinusoidal positions are in the file like learned ones: the flag says what training left as it was.
  reader.flag("sinusoidal_pos_embds", false);
  config.mlp = reader.activation("activation", "gelu");
  config.rms_norm_eps = kEps;
  config.ties_embeddings = reader.flag("tie_word_embeddings", true);
  set_bert_form(config);
}

std::string problem(const ModelConfig& config) {
  if (config.rms_norm_eps != kEps) return "DistilBERT's norms have the eps 1e-12, which its config.json does not hold";
  return find_bert_problem(config, "DistilBERT");
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  const ModelShape& shape = config.shape;
  return {
      {"vocab_size", json_of(shape.vocab_size)},
      {"dim", json_of(shape.d_model)},
      {"n_layers", json_of(shape.n_layers)},
      {"n_heads", json_of(shape.n_heads)},
      {"hidden_dim", json_of(shape.d_ff)},
      {"activation", json_of(activation_name(config.mlp))},
      {"max_position_embeddings", json_of(shape.max_positions)},
      {"sinusoidal_pos_embds", json_of(false)},
      {"tie_word_embeddings", json_of(config.ties_embeddings)},
      {"attention_dropout", "0.0"},
      {"dropout", "0.0"},
      {"bos_token_id", json_of_id(ids.bos)},
      {"eos_token_id", json_of_id(ids.eos)},
      {"pad_token_id", json_of_id(ids.pad)},
  };
}

std::vector<TensorSlot> slots(ModelParams& params) {
  const ModelShape& shape = params.config.shape;
  const std::int64_t d = shape.d_model;
  SlotList slots;
  slots.plain("embeddings.word_embeddings.weight", {shape.vocab_size, d}, params.embedding);
  slots.plain("embeddings.position_embeddings.weight", {shape.max_positions, d}, params.positions);
  slots.norm("embeddings.LayerNorm", {params.embedding_norm, params.embedding_norm_bias}, d);
  for (std::size_t i = 0; i < params.layers.size(); ++i) {
    LayerParams& layer = params.layers[i];
    const std::string at = "transformer.layer." + std::to_string(i) + ".";
    slots.linear(at + "attention.q_lin", {layer.w_q, layer.b_q}, d, d);
    slots.linear(at + "attention.k_lin", {layer.w_k, layer.b_k}, d, d);
    slots.linear(at + "attention.v_lin", {layer.w_v, layer.b_v}, d, d);
    slots.linear(at + "attention.out_lin", {layer.w_o, layer.b_o}, d, d);
    slots.norm(at + "sa_layer_norm", {layer.attention_norm, layer.attention_norm_bias}, d);
    slots.linear(at + "ffn.lin1", {layer.w_up, layer.b_up}, shape.d_ff, d);
    slots.mlp_end(at + "ffn.lin2", {layer.w_down, layer.b_down}, shape);
    slots.norm(at + "output_layer_norm", {layer.mlp_norm, layer.mlp_norm_bias}, d);
  }
  const std::size_t first_of_head = slots.size();
  if (params.config.predicts) {
    slots.linear("vocab_transform", {params.head_dense, params.head_dense_bias}, d, d);
    slots.norm("vocab_layer_norm", {params.head_norm, params.head_norm_bias}, d);
    slots.plain("vocab_projector.bias", {shape.vocab_size}, params.output_bias);
    if (!params.config.ties_embeddings) slots.plain("vocab_projector.weight", {shape.vocab_size, d}, params.lm_head);
  }
  slots.name_whole(first_of_head);
  return slots.take();
}

}  // namespace

Family distilbert_family() {
  return {
      .model_type = "distilbert",
      .architecture = "DistilBertForMaskedLM",
      .headless = "DistilBertModel",
      .prefix = "distilbert.",
      .layer_prefixes = {"transformer.layer."},
      .ignored = {"embeddings.position_ids", "vocab_projector.weight"},
      .read = read,
      .settle = [](const Family::HasTensor& has, ModelConfig& config) { settle_bert_head(has("vocab_transform.weight"), config); },
      .problem = problem,
      .write = write,
      .slots = slots};
}

}  // namespace headroom
