#include "core/formats/bert_block.h"
#include "core/formats/family.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

void read(const ConfigReader& reader, const Family&, ModelConfig& config) {
  read_bert_shape(reader, config);
  config.mlp = reader.activation("hidden_act", "gelu");
}

std::string problem(const ModelConfig& config) { return find_bert_problem(config, "BERT"); }

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  std::vector<ConfigMember> members = write_bert_shape(config, ids);
  members.push_back({"pad_token_id", json_of_id(ids.pad)});
  return members;
}

std::vector<TensorSlot> slots(ModelParams& params) {
  return bert_slots(
      params,
      {.dense = "cls.predictions.transform.dense", .norm = "cls.predictions.transform.LayerNorm", .output = "cls.predictions"});
}

/// Every tensor but those of the head.
void add_body_slots(ModelParams& params, SlotList& slots) {
  const ModelShape& shape = params.config.shape;
  const std::int64_t d = shape.d_model, skipped = params.config.skipped_positions;
  slots.plain("embeddings.word_embeddings.weight", {shape.vocab_size, d}, params.embedding);
  TensorSlot& positions = slots.plain("embeddings.position_embeddings.weight", {shape.max_positions, d}, params.positions);
  positions.shape[0] += skipped;
  positions.skipped_rows = skipped;
  // What this program trained has no types: it wrote zeros.
  slots.plain("embeddings.token_type_embeddings.weight", {kAnyRows, d}, params.token_types).layout = SlotLayout::kNoneIfZero;
  slots.norm("embeddings.LayerNorm", {params.embedding_norm, params.embedding_norm_bias}, d);
  for (std::size_t i = 0; i < params.layers.size(); ++i) {
    LayerParams& layer = params.layers[i];
    const std::string at = "encoder.layer." + std::to_string(i) + ".";
    slots.linear(at + "attention.self.query", {layer.w_q, layer.b_q}, d, d);
    slots.linear(at + "attention.self.key", {layer.w_k, layer.b_k}, d, d);
    slots.linear(at + "attention.self.value", {layer.w_v, layer.b_v}, d, d);
    slots.linear(at + "attention.output.dense", {layer.w_o, layer.b_o}, d, d);
    slots.norm(at + "attention.output.LayerNorm", {layer.attention_norm, layer.attention_norm_bias}, d);
    slots.linear(at + "intermediate.dense", {layer.w_up, layer.b_up}, shape.d_ff, d);
    slots.mlp_end(at + "output.dense", {layer.w_down, layer.b_down}, shape);
    slots.norm(at + "output.LayerNorm", {layer.mlp_norm, layer.mlp_norm_bias}, d);
  }
}

}  // namespace

void read_bert_shape(const ConfigReader& reader, ModelConfig& config) {
  ModelShape& shape = config.shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("hidden_size", ConfigReader::kWidth);
  shape.n_layers = reader.integer("num_hidden_layers", ConfigReader::kLayers);
  shape.n_heads = reader.integer("num_attention_heads", ConfigReader::kHeads);
  shape.n_kv_heads = shape.n_heads;
  shape.d_head = reader.head_size(shape.d_model, shape.n_heads);
  shape.d_ff = reader.integer("intermediate_size", ConfigReader::kMlpWidth);
  shape.max_positions = reader.integer("max_position_embeddings", ConfigReader::kPositions, 512);
  reader.require_flag("is_decoder", false, "an encoder that works as a decoder is not supported");
  reader.require_flag("add_cross_attention", false, "a decoder that reads another model is not supported");
  if (const JsonValue* kind = reader.set("position_embedding_type"))
    if (!kind->is(Type::kString) || kind->string != "absolute")
      reader.fail("position_embedding_type is " + describe(*kind) + ", but only \"absolute\" is supported");
  config.rms_norm_eps = reader.real("layer_norm_eps", 1e-30, 1, 1e-12f);
  config.ties_embeddings = reader.flag("tie_word_embeddings", true);
  set_bert_form(config);
}

void set_bert_form(ModelConfig& config) {
  config.kind = ModelKind::kMasked;
  config.norm = NormKind::kLayer;
  config.norm_place = NormPlace::kAfter;
  config.positions = PositionKind::kLearned;
  config.has_qkv_bias = config.has_o_bias = config.has_mlp_bias = true;
  config.has_embedding_norm = config.has_head_transform = config.has_output_bias = true;
}

void settle_bert_head(bool has_head, ModelConfig& config) {
  config.predicts = config.has_head_transform = config.has_output_bias = has_head;
  if (!has_head) config.ties_embeddings = true;  // there is no other output
}

std::string find_bert_problem(const ModelConfig& config, const std::string& name) {
  const ModelShape& shape = config.shape;
  if (config.kind != ModelKind::kMasked) return name + " predicts hidden words from both sides, and this model does not";
  if (config.norm != NormKind::kLayer || config.norm_place != NormPlace::kAfter || config.positions != PositionKind::kLearned)
    return name + " has LayerNorm after each sub-layer and learned positions";
  if (shape.n_kv_heads != shape.n_heads)
    return name + " has one K/V head for each head, so kv_heads = " + std::to_string(shape.n_kv_heads) +
           " must be h = " + std::to_string(shape.n_heads);
  if (shape.n_heads * shape.d_head != shape.d_model) return name + "'s heads are d_model / h wide";
  if (is_gated(config.mlp) || (shape.d_ff > 0 && !config.has_mlp_bias)) return name + " has ungated MLPs with biases";
  if (!config.has_qkv_bias || !config.has_o_bias) return name + " has biases on q, k, v and after W_O";
  if (!config.has_embedding_norm || config.has_head_transform != config.predicts || config.has_output_bias != config.predicts)
    return name + " has a norm after the embedding, and a transform and a bias at its output";
  return find_score_problem(config, name);
}

std::vector<ConfigMember> write_bert_shape(const ModelConfig& config, const SpecialIds& ids) {
  const ModelShape& shape = config.shape;
  return {
      {"vocab_size", json_of(shape.vocab_size)},
      {"hidden_size", json_of(shape.d_model)},
      {"num_hidden_layers", json_of(shape.n_layers)},
      {"num_attention_heads", json_of(shape.n_heads)},
      {"intermediate_size", json_of(shape.d_ff)},
      {"hidden_act", json_of(activation_name(config.mlp))},
      {"max_position_embeddings", json_of(shape.max_positions + config.skipped_positions)},
      {"type_vocab_size", json_of(kWrittenAnyRows)},
      {"layer_norm_eps", json_of(config.rms_norm_eps)},
      {"tie_word_embeddings", json_of(config.ties_embeddings)},
      {"attention_probs_dropout_prob", "0.0"},
      {"hidden_dropout_prob", "0.0"},
      {"bos_token_id", json_of_id(ids.bos)},
      {"eos_token_id", json_of_id(ids.eos)},
  };
}

std::vector<TensorSlot> bert_slots(ModelParams& params, const BertHeadNames& head) {
  const std::int64_t d = params.config.shape.d_model, words = params.config.shape.vocab_size;
  SlotList slots;
  add_body_slots(params, slots);
  const std::size_t first_of_head = slots.size();
  if (params.config.predicts) {
    slots.linear(head.dense, {params.head_dense, params.head_dense_bias}, d, d);
    slots.norm(head.norm, {params.head_norm, params.head_norm_bias}, d);
    // Two names of one tensor, but for an untied output, whose own bias is the one that counts.
    const bool is_tied = params.config.ties_embeddings;
    const std::string bias = head.output + ".bias", decoder_bias = head.output + ".decoder.bias";
    slots.plain(is_tied ? bias : decoder_bias, {words}, params.output_bias).other_names = {is_tied ? decoder_bias : bias};
    if (!is_tied) {
      slots.plain(head.output + ".decoder.weight", {words, d}, params.lm_head);
      slots.plain(bias, {words}, params.output_bias).layout = SlotLayout::kCopy;
    }
  }
  slots.name_whole(first_of_head);
  return slots.take();
}

Family bert_family() {
  return {.model_type = "bert",
          .architecture = "BertForMaskedLM",
          .headless = "BertModel",
          .prefix = "bert.",
          .layer_prefixes = {"encoder.layer."},
          .ignored = {"embeddings.position_ids", "embeddings.token_type_ids", "cls.predictions.bias",
                      "cls.predictions.decoder.bias", "cls.predictions.decoder.weight"},
          .read = read,
          .settle = [](const Family::HasTensor& has,
                       ModelConfig& config) { settle_bert_head(has("cls.predictions.transform.dense.weight"), config); },
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace headroom
