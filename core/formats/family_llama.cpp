#include <optional>

#include "core/attention/config.h"
#include "core/formats/family.h"
#include "core/formats/file.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

enum class QkvBias { kNever, kAlways, kAttentionBias };

/// What differs between the families that share Llama's block. Another of them is another row.
struct Dialect {
  std::string_view model_type;
  std::int64_t absent_kv_heads;  ///< num_key_value_heads when the file has none; 0: as many as heads
  std::int64_t absent_max_positions;
  QkvBias qkv_bias;
};
constexpr Dialect kDialects[] = {
    {"llama", 0, 2048, QkvBias::kAttentionBias},
    {"mistral", 8, 131072, QkvBias::kNever},
    {"qwen2", 32, 32768, QkvBias::kAlways},
};

const Dialect& dialect_of(std::string_view model_type) {
  for (const Dialect& dialect : kDialects)
    if (dialect.model_type == model_type) return dialect;
  return kDialects[0];
}

/// What this program would compute wrongly is refused by name, never passed over.
void refuse_unsupported(const ConfigReader& reader) {
  if (const JsonValue* activation = reader.set("hidden_act"))
    if (!activation->is(Type::kString) || (activation->string != "silu" && activation->string != "swish"))
      reader.fail("hidden_act is " + describe(*activation) + ", but only \"silu\" is supported");
  reader.require_flag("mlp_bias", false, "biases in the MLP are not supported");
  if (const JsonValue* part = reader.set("partial_rotary_factor"))
    if (!part->is_number() || part->number() != 1)
      reader.fail("partial_rotary_factor is " + describe(*part) + ", but only 1 (all of each head is rotated) is supported");
}

/// Refuses rotary variants; `name` is the field that holds them.
void check_rope_type(const ConfigReader& reader, const JsonValue& rope, const std::string& name) {
  if (!rope.is(Type::kObject)) reader.fail(name + " is " + describe(rope) + ", where an object is needed");
  for (const char* key : {"rope_type", "type"}) {
    const JsonValue* type = rope.find_set(key);
    if (type != nullptr && (!type->is(Type::kString) || type->string != "default"))
      reader.fail(name + "." + key + " is " + describe(*type) + ", but only plain rotary positions (\"default\") are supported");
  }
  for (const auto& [key, value] : rope.members) {
    if (value.is(Type::kObject))
      reader.fail(name + "." + escape_for_display(key, 60) +
                  " sets rotary positions for one kind of layer, which is not supported");
    if (key == "partial_rotary_factor" && (!value.is_number() || value.number() != 1) && !value.is(Type::kNull))
      reader.fail(name + ".partial_rotary_factor is " + describe(value) + ", but only 1 is supported");
    if (key == "factor" && !value.is(Type::kNull) && (!value.is_number() || value.number() != 1))
      reader.fail(name + ".factor is " + describe(value) + ", but scaled rotary positions are not supported");
  }
}

float read_rope_theta(const ConfigReader& reader) {
  constexpr double kLow = 1, kHigh = 1e12;
  std::optional<float> theta;
  if (const JsonValue* value = reader.set("rope_theta")) theta = reader.real(*value, "rope_theta", kLow, kHigh);
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    const JsonValue* rope = reader.set(name);
    if (rope == nullptr) continue;
    check_rope_type(reader, *rope, name);
    const JsonValue* value = rope->find_set("rope_theta");
    if (value == nullptr) continue;
    const float inner = reader.real(*value, std::string(name) + ".rope_theta", kLow, kHigh);
    if (theta && *theta != inner) reader.fail(std::string("rope_theta and ") + name + ".rope_theta differ");
    theta = inner;
  }
  return theta.value_or(10000.0f);
}

/// A window is harmless when no text is longer than it.
void check_window(const ConfigReader& reader, std::string_view model_type, std::int64_t max_positions) {
  if (const JsonValue* types = reader.set("layer_types")) {
    if (!types->is(Type::kArray)) reader.fail("layer_types is " + describe(*types) + ", where a list is needed");
    for (const JsonValue& type : types->items)
      if (!type.is(Type::kString) || type.string != "full_attention")
        reader.fail("layer_types holds " + describe(type) + ", but only \"full_attention\" is supported");
  }
  if (model_type == "llama") return;
  if (model_type == "qwen2" && !reader.flag("use_sliding_window", false)) return;
  if (reader.set("sliding_window") == nullptr) return;
  const std::int64_t window = reader.integer("sliding_window", {1, INT32_MAX});
  if (window < max_positions)
    reader.fail("sliding_window is " + std::to_string(window) + ", shorter than max_position_embeddings (" +
                std::to_string(max_positions) + "): trained sliding windows are not supported");
}

ModelShape read_shape(const ConfigReader& reader, const Dialect& dialect) {
  ModelShape shape;
  shape.vocab_size = reader.integer("vocab_size", ConfigReader::kVocabulary);
  shape.d_model = reader.integer("hidden_size", ConfigReader::kWidth);
  shape.d_ff = reader.integer("intermediate_size", ConfigReader::kMlpWidth);
  shape.n_layers = reader.integer("num_hidden_layers", ConfigReader::kLayers);
  shape.n_heads = reader.integer("num_attention_heads", ConfigReader::kHeads);
  // Absent means the family's own default, null means one K/V head for each head; both as in the reference.
  const bool is_null = reader.is_null("num_key_value_heads");
  const std::int64_t absent = is_null || dialect.absent_kv_heads == 0 ? shape.n_heads : dialect.absent_kv_heads;
  shape.n_kv_heads = reader.integer("num_key_value_heads", ConfigReader::kHeads, absent);
  shape.max_positions = reader.integer("max_position_embeddings", ConfigReader::kPositions, dialect.absent_max_positions);
  const auto with = [](const char* name, std::int64_t value) { return std::string(name) + " (" + std::to_string(value) + ")"; };
  if (reader.set("head_dim") != nullptr) {
    shape.d_head = reader.integer("head_dim", {1, kMaxDHead});
  } else {
    if (shape.d_model % shape.n_heads != 0)
      reader.fail(with("num_attention_heads", shape.n_heads) + " does not divide " + with("hidden_size", shape.d_model));
    shape.d_head = shape.d_model / shape.n_heads;
  }
  if (shape.n_heads % shape.n_kv_heads != 0)
    reader.fail(with("num_key_value_heads", shape.n_kv_heads) + " does not divide " + with("num_attention_heads", shape.n_heads));
  if (shape.d_head > kMaxDHead)
    reader.fail("hidden_size / num_attention_heads gives heads of " + std::to_string(shape.d_head) + ", but at most " +
                std::to_string(kMaxDHead) + " is supported");
  if (shape.d_head % 2 != 0)
    reader.fail("the heads have the odd size " + std::to_string(shape.d_head) + ", but rotary positions turn pairs");
  return shape;
}

void read(const ConfigReader& reader, const Family& family, ModelConfig& config) {
  const Dialect& dialect = dialect_of(family.model_type);
  refuse_unsupported(reader);
  config.shape = read_shape(reader, dialect);
  config.rope_theta = read_rope_theta(reader);
  // Below float32's smallest normal number an epsilon is none.
  config.rms_norm_eps = reader.real("rms_norm_eps", 1e-30, 1, 1e-6f);
  config.ties_embeddings = reader.flag("tie_word_embeddings", false);
  const bool has_attention_bias = dialect.qkv_bias == QkvBias::kAttentionBias && reader.flag("attention_bias", false);
  config.has_qkv_bias = dialect.qkv_bias == QkvBias::kAlways || has_attention_bias;
  config.has_o_bias = has_attention_bias;
  check_window(reader, family.model_type, config.shape.max_positions);
}

std::string problem(const ModelConfig& config) {
  const Dialect& dialect = dialect_of(config.family);
  const std::string name(config.family);
  if (config.kind != ModelKind::kCausal) return name + " models are causal language models, and this one is not";
  if (config.norm != NormKind::kRms || config.norm_place != NormPlace::kBefore || config.positions != PositionKind::kRotary)
    return name + " models have RMSNorm before each sub-layer and rotary positions";
  if (config.shape.d_ff > 0 && (config.mlp != MlpKind::kSwiGlu || config.has_mlp_bias))
    return name + " models have SwiGLU MLPs without biases";
  if (config.has_embedding_norm || config.has_head_transform || config.has_output_bias)
    return name + " models have no norm after the embedding, no transform before the output and no bias there";
  const bool always = dialect.qkv_bias == QkvBias::kAlways, choice = dialect.qkv_bias == QkvBias::kAttentionBias;
  if ((!choice && config.has_qkv_bias != always) || config.has_o_bias != (choice && config.has_qkv_bias))
    return name + " models have other biases in their attention";
  return {};
}

std::vector<ConfigMember> write(const ModelConfig& config, const SpecialIds& ids) {
  const ModelShape& shape = config.shape;
  std::vector<ConfigMember> members = {
      {"vocab_size", json_of(shape.vocab_size)},
      {"hidden_size", json_of(shape.d_model)},
      {"intermediate_size", json_of(shape.d_ff)},
      {"num_hidden_layers", json_of(shape.n_layers)},
      {"num_attention_heads", json_of(shape.n_heads)},
      {"num_key_value_heads", json_of(shape.n_kv_heads)},
      {"head_dim", json_of(shape.d_head)},
      {"hidden_act", json_of("silu")},
      {"max_position_embeddings", json_of(shape.max_positions)},
      {"rms_norm_eps", json_of(config.rms_norm_eps)},
      {"rope_theta", json_of(config.rope_theta)},
      {"rope_parameters", R"({"rope_type": "default", "rope_theta": )" + json_of(config.rope_theta) + "}"},
      {"tie_word_embeddings", json_of(config.ties_embeddings)},
      {"attention_dropout", "0.0"},
      {"bos_token_id", json_of_id(ids.bos)},
      {"eos_token_id", json_of_id(ids.eos)},
      {"pad_token_id", json_of_id(ids.pad)},
  };
  if (config.family == "qwen2") members.push_back({"use_sliding_window", "false"});
  if (config.family == "mistral") members.push_back({"sliding_window", "null"});
  if (config.family == "llama") members.push_back({"attention_bias", json_of(config.has_qkv_bias)});
  return members;
}

std::vector<TensorSlot> slots(ModelParams& params) {
  const ModelConfig& config = params.config;
  const ModelShape& shape = config.shape;
  const std::int64_t d_q = shape.n_heads * shape.d_head, d_kv = shape.n_kv_heads * shape.d_head;
  std::vector<TensorSlot> slots;
  slots.push_back(TensorSlot::plain("embed_tokens.weight", {shape.vocab_size, shape.d_model}, params.embedding));
  for (std::size_t i = 0; i < params.layers.size(); ++i) {
    LayerParams& layer = params.layers[i];
    const std::string at = "layers." + std::to_string(i) + ".";
    const auto add = [&](const char* name, std::vector<std::int64_t> dims, Tensor& target) {
      slots.push_back(TensorSlot::plain(at + name, std::move(dims), target));
    };
    add("input_layernorm.weight", {shape.d_model}, layer.attention_norm);
    add("self_attn.q_proj.weight", {d_q, shape.d_model}, layer.w_q);
    add("self_attn.k_proj.weight", {d_kv, shape.d_model}, layer.w_k);
    add("self_attn.v_proj.weight", {d_kv, shape.d_model}, layer.w_v);
    add("self_attn.o_proj.weight", {shape.d_model, d_q}, layer.w_o);
    if (config.has_qkv_bias) {
      add("self_attn.q_proj.bias", {d_q}, layer.b_q);
      add("self_attn.k_proj.bias", {d_kv}, layer.b_k);
      add("self_attn.v_proj.bias", {d_kv}, layer.b_v);
    }
    if (config.has_o_bias) add("self_attn.o_proj.bias", {shape.d_model}, layer.b_o);
    add("post_attention_layernorm.weight", {shape.d_model}, layer.mlp_norm);
    add("mlp.gate_proj.weight", {shape.d_ff, shape.d_model}, layer.w_gate);
    add("mlp.up_proj.weight", {shape.d_ff, shape.d_model}, layer.w_up);
    add("mlp.down_proj.weight", {shape.d_model, shape.d_ff}, layer.w_down);
  }
  slots.push_back(TensorSlot::plain("norm.weight", {shape.d_model}, params.final_norm));
  if (!config.ties_embeddings) {
    slots.push_back(TensorSlot::plain("lm_head.weight", {shape.vocab_size, shape.d_model}, params.lm_head));
    slots.back().has_prefix = false;
  }
  return slots;
}

Family family(const char* model_type, const char* architecture) {
  return {.model_type = model_type,
          .architecture = architecture,
          .prefix = "model.",
          .layer_prefixes = {"layers."},
          .ignored = {"rotary_emb.inv_freq"},
          .read = read,
          .problem = problem,
          .write = write,
          .slots = slots};
}

}  // namespace

std::vector<Family> llama_families() {
  return {family("llama", "LlamaForCausalLM"), family("mistral", "MistralForCausalLM"), family("qwen2", "Qwen2ForCausalLM")};
}

}  // namespace headroom
