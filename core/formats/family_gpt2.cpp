#include "core/formats/family.h"

namespace headroom {
namespace {

/// Conv1D cannot be run with a width of 0, so a GPT-2 without MLPs is written with MLPs of width 1 whose parameters are all zero, and says
/// so in a field of its own, which other readers pass over.
constexpr std::int64_t kWidthOfNone = 1;
constexpr const char* kAttentionOnly = "attention_only";

void read(const ConfigReader& reader, const Family&, ModelConfig& config) {
  ModelShape& shape = config.shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("n_embd", "hidden_size", ConfigReader::kWidth);
  shape.n_layers = reader.integer("n_layer", "num_hidden_layers", ConfigReader::kLayers);
  shape.n_heads = reader.integer("n_head", "num_attention_heads", ConfigReader::kHeads);
  shape.n_kv_heads = shape.n_heads;
  shape.d_head = reader.head_size(shape.d_model, shape.n_heads);
  shape.d_ff = reader.integer("n_inner", {1, ConfigReader::kMlpWidth.high}, 4 * shape.d_model);
  if (reader.flag(kAttentionOnly, false)) {
    if (shape.d_ff != kWidthOfNone)
      reader.fail(std::string(kAttentionOnly) + " is true, but n_inner is " + std::to_string(shape.d_ff) + " instead of " +
                  std::to_string(kWidthOfNone));
    shape.d_ff = 0;
  }
  // The first files of all call it n_ctx.
  const std::int64_t absent_positions = reader.integer("n_ctx", ConfigReader::kPositions, 1024);
  shape.max_positions = reader.integer("n_positions", "max_position_embeddings", ConfigReader::kPositions, absent_positions);
  if (!reader.flag("scale_attn_weights", true)) config.attention_scale = 1.0f;
  config.divides_scale_by_layer = reader.flag("scale_attn_by_inverse_layer_idx", false);
  reader.require_flag("add_cross_attention", false, "a decoder that reads another model is not supported");
  config.norm = NormKind::kLayer;
  config.norm_place = NormPlace::kBefore;
  config.positions = PositionKind::kLearned;
  config.mlp = reader.activation("activation_function", "gelu_new");
  config.rms_norm_eps = reader.real("layer_norm_epsilon", 1e-30, 1, 1e-5f);
  config.ties_embeddings = reader.flag("tie_word_embeddings", true);
  config.has_qkv_bias = config.has_o_bias = config.has_mlp_bias = true;
}

std::string problem(const ModelConfig& config) {
  const ModelShape& shape = config.shape;
  if (config.kind != ModelKind::kCausal) return "GPT-2 is a causal language model, and this one is not";
  if (config.norm != NormKind::kLayer || config.norm_place != NormPlace::kBefore || config.positions != PositionKind::kLearned)
    return "GPT-2 has LayerNorm before each sub-layer and learned positions";
  if (shape.n_kv_heads != shape.n_heads)
    return "GPT-2 has one K/V head for each head, so kv_heads = " + std::to_string(shape.n_kv_heads) +
           " must be h = " + std::to_string(shape.n_heads);
  if (shape.n_heads * shape.d_head != shape.d_model) return "GPT-2's heads are d_model / h wide";
  if (shape.d_ff > 0 && (is_gated(config.mlp) || !config.has_mlp_bias)) return "GPT-2 has GELU MLPs with biases";
  if (!config.has_qkv_bias || !config.has_o_bias) return "GPT-2 has biases on q, k, v and after W_O";
  if (config.has_embedding_norm || config.has_head_transform || config.has_output_bias)
    return "GPT-2 has no norm after the embedding, no transform before the output and no bias there";
  if (config.attention_scale && *config.attention_scale != 1) return "GPT-2's scores are q·k / sqrt(d_k), or q·k alone";
  ModelConfig plain = config;  // both options are its own
  plain.attention_scale.reset();
  plain.divides_scale_by_layer = false;
  return find_score_problem(plain, "GPT-2");
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  const ModelShape& shape = config.shape;
  std::vector<ConfigMember> members = {
      {"vocab_size", json_of(shape.vocab_size)},
      {"n_positions", json_of(shape.max_positions)},
      {"n_embd", json_of(shape.d_model)},
      {"n_layer", json_of(shape.n_layers)},
      {"n_head", json_of(shape.n_heads)},
      {"n_inner", json_of(shape.d_ff > 0 ? shape.d_ff : kWidthOfNone)},
      {"activation_function", json_of(activation_name(config.mlp))},
      {"layer_norm_epsilon", json_of(config.rms_norm_eps)},
      {"scale_attn_weights", json_of(!config.attention_scale)},
      {"tie_word_embeddings", json_of(config.ties_embeddings)},
      {"attn_pdrop", "0.0"},
      {"embd_pdrop", "0.0"},
      {"resid_pdrop", "0.0"},
      {"bos_token_id", json_of_id(ids.bos)},
      {"eos_token_id", json_of_id(ids.eos)},
      {"pad_token_id", json_of_id(ids.pad)},
  };
  if (config.divides_scale_by_layer) members.push_back({"scale_attn_by_inverse_layer_idx", json_of(true)});
  if (shape.d_ff == 0) members.push_back({kAttentionOnly, json_of(true)});
  return members;
}

/// Conv1D keeps its matrix as [inputs, outputs]: every projection is the transpose of ours, and q, k, v are one.
TensorSlot conv(std::string name, std::vector<TensorPart> parts) {
  TensorSlot slot;
  std::int64_t outputs = 0;
  for (const TensorPart& part : parts)
    outputs += part.shape[0];
  slot.name = std::move(name);
  slot.shape = {parts.front().shape[1], outputs};
  slot.parts = std::move(parts);
  slot.layout = SlotLayout::kTransposed;
  return slot;
}

std::vector<TensorSlot> slots(ModelParams& params) {
  const ModelShape& shape = params.config.shape;
  const std::int64_t d = shape.d_model, ff = shape.d_ff;
  std::vector<TensorSlot> slots;
  const auto plain = [&](const std::string& name, std::vector<std::int64_t> dims, Tensor& target) {
    slots.push_back(TensorSlot::plain(name, std::move(dims), target));
  };
  const auto norm = [&](const std::string& name, Tensor& gain, Tensor& bias) {
    plain(name + ".weight", {d}, gain);
    plain(name + ".bias", {d}, bias);
  };
  plain("wte.weight", {shape.vocab_size, d}, params.embedding);
  plain("wpe.weight", {shape.max_positions, d}, params.positions);
  for (std::size_t i = 0; i < params.layers.size(); ++i) {
    LayerParams& layer = params.layers[i];
    const std::string at = "h." + std::to_string(i) + ".";
    norm(at + "ln_1", layer.attention_norm, layer.attention_norm_bias);
    slots.push_back(conv(at + "attn.c_attn.weight", {{&layer.w_q, {d, d}}, {&layer.w_k, {d, d}}, {&layer.w_v, {d, d}}}));
    TensorSlot biases;
    biases.name = at + "attn.c_attn.bias";
    biases.shape = {3 * d};
    biases.parts = {{&layer.b_q, {d}}, {&layer.b_k, {d}}, {&layer.b_v, {d}}};
    slots.push_back(std::move(biases));
    slots.push_back(conv(at + "attn.c_proj.weight", {{&layer.w_o, {d, d}}}));
    plain(at + "attn.c_proj.bias", {d}, layer.b_o);
    norm(at + "ln_2", layer.mlp_norm, layer.mlp_norm_bias);
    if (ff == 0) {
      slots.push_back(TensorSlot::zeros(at + "mlp.c_fc.weight", {d, kWidthOfNone}));
      slots.push_back(TensorSlot::zeros(at + "mlp.c_fc.bias", {kWidthOfNone}));
      slots.push_back(TensorSlot::zeros(at + "mlp.c_proj.weight", {kWidthOfNone, d}));
      slots.push_back(TensorSlot::zeros(at + "mlp.c_proj.bias", {d}));
      continue;
    }
    slots.push_back(conv(at + "mlp.c_fc.weight", {{&layer.w_up, {ff, d}}}));
    plain(at + "mlp.c_fc.bias", {ff}, layer.b_up);
    slots.push_back(conv(at + "mlp.c_proj.weight", {{&layer.w_down, {d, ff}}}));
    plain(at + "mlp.c_proj.bias", {d}, layer.b_down);
  }
  norm("ln_f", params.final_norm, params.final_norm_bias);
  if (!params.config.ties_embeddings) {
    plain("lm_head.weight", {shape.vocab_size, d}, params.lm_head);
    slots.back().has_prefix = false;
  }
  return slots;
}

}  // namespace

Family gpt2_family() {
  return {.model_type = "gpt2",
          .architecture = "GPT2LMHeadModel",
          .prefix = "transformer.",
          .layer_prefixes = {"h."},
          .ignored = {".attn.bias", ".attn.masked_bias"},
          .read = read,
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace headroom
