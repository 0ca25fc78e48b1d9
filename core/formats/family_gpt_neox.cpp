#include "core/formats/family.h"
#include "core/formats/rope_fields.h"
#include "core/formats/slot_list.h"

namespace headroom {
namespace {

constexpr RopeDialect kRope{.theta = "rotary_emb_base", .share = "rotary_pct", .absent_share = 0.25, .turns_part = true};

/// What the output is called in files, and since lately.
constexpr const char *kOutput = "embed_out.weight", *kNewOutput = "lm_head.weight";

void read(const ConfigReader& reader, const Family& family, ModelConfig& config) {
  ModelShape& shape = config.shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("hidden_size", ConfigReader::kWidth);
  shape.n_layers = reader.integer("num_hidden_layers", ConfigReader::kLayers);
  shape.n_heads = reader.integer("num_attention_heads", ConfigReader::kHeads);
  shape.n_kv_heads = shape.n_heads;
  shape.d_head = reader.head_size(shape.d_model, shape.n_heads);
  shape.d_ff = reader.integer("intermediate_size", ConfigReader::kMlpWidth);
  shape.max_positions = reader.integer("max_position_embeddings", ConfigReader::kPositions, 2048);
  config.norm = NormKind::kLayer;
  config.norm_place = NormPlace::kBefore;
  config.block_order = reader.flag("use_parallel_residual", true) ? BlockOrder::kParallel : BlockOrder::kSequential;
  config.mlp = reader.activation("hidden_act", "gelu");
  config.rms_norm_eps = reader.real("layer_norm_eps", 1e-30, 1, 1e-5f);
  config.ties_embeddings = reader.flag("tie_word_embeddings", false);
  leave_out_missing_output(reader, family, config);
  config.has_qkv_bias = config.has_o_bias = reader.flag("attention_bias", true);
  config.has_mlp_bias = true;
  read_rope(reader, kRope, config);
}

std::string problem(const ModelConfig& config) {
  const ModelShape& shape = config.shape;
  if (config.kind != ModelKind::kCausal) return "GPT-NeoX is a causal language model, and this one is not";
  if (config.norm != NormKind::kLayer || config.norm_place != NormPlace::kBefore || config.positions != PositionKind::kRotary)
    return "GPT-NeoX has LayerNorm before each sub-layer and rotary positions";
  if (shape.n_kv_heads != shape.n_heads)
    return "GPT-NeoX has one K/V head for each head, so kv_heads = " + std::to_string(shape.n_kv_heads) +
           " must be h = " + std::to_string(shape.n_heads);
  if (shape.n_heads * shape.d_head != shape.d_model) return "GPT-NeoX's heads are d_model / h wide";
  if (shape.d_ff > 0 && (is_gated(config.mlp) || !config.has_mlp_bias)) return "GPT-NeoX has MLPs with biases and without a gate";
  if (config.has_qkv_bias != config.has_o_bias) return "GPT-NeoX has biases on q, k, v and after W_O, or on none";
  if (config.has_embedding_norm || config.has_head_transform || config.has_output_bias)
    return "GPT-NeoX has no norm after the embedding, no transform before the output and no bias there";
  ModelConfig plain = config;  // either order is its own
  plain.block_order = BlockOrder::kSequential;
  return find_score_problem(plain, "GPT-NeoX");
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  const ModelShape& shape = config.shape;
  std::vector<ConfigMember> members = {
      {"vocab_size", json_of(shape.vocab_size)},
      {"hidden_size", json_of(shape.d_model)},
      {"num_hidden_layers", json_of(shape.n_layers)},
      {"num_attention_heads", json_of(shape.n_heads)},
      {"intermediate_size", json_of(shape.d_ff)},
      {"hidden_act", json_of(activation_name(config.mlp))},
      {"max_position_embeddings", json_of(shape.max_positions)},
      {"layer_norm_eps", json_of(config.rms_norm_eps)},
      {"use_parallel_residual", json_of(config.block_order == BlockOrder::kParallel)},
      {"attention_bias", json_of(config.has_qkv_bias)},
      {"tie_word_embeddings", json_of(config.ties_embeddings)},
      {"attention_dropout", "0.0"},
      {"hidden_dropout", "0.0"},
      {"bos_token_id", json_of_id(ids.bos)},
      {"eos_token_id", json_of_id(ids.eos)},
      {"pad_token_id", json_of_id(ids.pad)},
  };
  for (ConfigMember& member : rope_members(kRope, config))
    members.push_back(std::move(member));
  return members;
}

/// q, k and v are one matrix in which head after head has its rows of q, of k and of v.
TensorSlot head_by_head(std::string name, std::vector<TensorPart> parts, const ModelShape& shape) {
  TensorSlot slot;
  slot.name = std::move(name);
  slot.shape = parts.front().shape;
  slot.shape[0] *= 3;
  slot.parts = std::move(parts);
  slot.layout = SlotLayout::kInterleaved;
  slot.n_blocks = shape.n_heads;
  return slot;
}

std::vector<TensorSlot> slots(ModelParams& params) {
  const ModelConfig& config = params.config;
  const ModelShape& shape = config.shape;
  const std::int64_t d = shape.d_model, ff = shape.d_ff;
  SlotList slots;
  slots.plain("embed_in.weight", {shape.vocab_size, d}, params.embedding);
  for (std::size_t i = 0; i < params.layers.size(); ++i) {
    LayerParams& layer = params.layers[i];
    const std::string at = "layers." + std::to_string(i) + ".";
    slots.norm(at + "input_layernorm", {layer.attention_norm, layer.attention_norm_bias}, d);
    slots.push(head_by_head(at + "attention.query_key_value.weight",
                            {{&layer.w_q, {d, d}}, {&layer.w_k, {d, d}}, {&layer.w_v, {d, d}}}, shape));
    slots.plain(at + "attention.dense.weight", {d, d}, layer.w_o);
    if (config.has_qkv_bias) {
      slots.push(
          head_by_head(at + "attention.query_key_value.bias", {{&layer.b_q, {d}}, {&layer.b_k, {d}}, {&layer.b_v, {d}}}, shape));
      slots.plain(at + "attention.dense.bias", {d}, layer.b_o);
    }
    slots.norm(at + "post_attention_layernorm", {layer.mlp_norm, layer.mlp_norm_bias}, d);
    slots.linear(at + "mlp.dense_h_to_4h", {layer.w_up, layer.b_up}, ff, d);
    slots.mlp_end(at + "mlp.dense_4h_to_h", {layer.w_down, layer.b_down}, shape);
  }
  slots.norm("final_layer_norm", {params.final_norm, params.final_norm_bias}, d);
  if (!config.ties_embeddings) {
    TensorSlot& output = slots.plain(kOutput, {shape.vocab_size, d}, params.lm_head);
    output.other_names = {kNewOutput};
    output.has_prefix = false;
  }
  return slots.take();
}

}  // namespace

/// Source  Black et al. 2022, arXiv:2204.06745; Pythia's models are of it too.
Family gpt_neox_family() {
  return {.model_type = "gpt_neox",
          .architecture = "GPTNeoXForCausalLM",
          .headless = "GPTNeoXModel",
          .prefix = "gpt_neox.",
          .layer_prefixes = {"layers."},
          .ignored = {".attention.bias", ".attention.masked_bias", "rotary_emb.inv_freq"},
          .read = read,
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace headroom
