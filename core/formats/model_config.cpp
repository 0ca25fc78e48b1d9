#include "core/formats/model_config.h"

#include <optional>

#include "core/attention/config.h"
#include "core/formats/file.h"
#include "core/formats/json_value.h"
#include "core/formats/model_folder.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

enum class QkvBias { kNever, kAlways, kAttentionBias };

/// What differs between the families that share Llama's block. Another family is another row.
struct Family {
  const char* model_type;
  const char* architecture;
  std::int64_t absent_kv_heads;  ///< num_key_value_heads when the file has none; 0: as many as heads
  std::int64_t absent_max_positions;
  QkvBias qkv_bias;
};
constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", 0, 2048, QkvBias::kAttentionBias},
    {"mistral", "MistralForCausalLM", 8, 131072, QkvBias::kNever},
    {"qwen2", "Qwen2ForCausalLM", 32, 32768, QkvBias::kAlways},
};

struct Range {
  std::int64_t low;
  std::int64_t high;
};

/// Getters that believe nothing: each answers a checked value or throws a sentence with file and field.
class ConfigReader {
 public:
  ConfigReader(const JsonValue& root, std::string file) : root_(root), file_(std::move(file)) {}

  [[noreturn]] void fail(const std::string& what) const { throw Error(file_ + ": " + what); }
  const JsonValue* set(const char* name) const { return root_.find_set(name); }
  bool is_null(const char* name) const {
    const JsonValue* value = root_.find(name);
    return value != nullptr && value->is(Type::kNull);
  }

  std::int64_t integer(const char* name, Range range, std::optional<std::int64_t> absent = {}) const {
    const JsonValue* value = set(name);
    if (value == nullptr) {
      if (absent) return *absent;
      fail(std::string(name) + " is missing");
    }
    const bool is_inside = value->is(Type::kUnsigned) && value->unsigned_value >= static_cast<std::uint64_t>(range.low) &&
                           value->unsigned_value <= static_cast<std::uint64_t>(range.high);
    if (!is_inside)
      fail(std::string(name) + " is " + describe(*value) + ", where an integer from " + std::to_string(range.low) + " to " +
           std::to_string(range.high) + " is needed");
    return static_cast<std::int64_t>(value->unsigned_value);
  }
  bool flag(const char* name, bool absent) const {
    const JsonValue* value = set(name);
    if (value == nullptr) return absent;
    if (!value->is(Type::kBool)) fail(std::string(name) + " is " + describe(*value) + ", where true or false is needed");
    return value->boolean;
  }
  /// A number in [low, high] that survives as float32.
  float real(const JsonValue& value, const std::string& name, double low, double high) const {
    if (!value.is_number() || !(value.number() >= low && value.number() <= high))
      fail(name + " is " + describe(value) + ", where a number from " + short_number(low) + " to " + short_number(high) +
           " is needed");
    return static_cast<float>(value.number());
  }
  float real(const char* name, double low, double high, float absent) const {
    const JsonValue* value = set(name);
    return value == nullptr ? absent : real(*value, name, low, high);
  }

 private:
  static std::string short_number(double number) {
    JsonValue value;
    value.type = Type::kFloat;
    value.float_value = number;
    return describe(value);
  }

  const JsonValue& root_;
  std::string file_;
};

const Family& find_family(const ConfigReader& reader) {
  std::string known;
  for (const Family& family : kFamilies)
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  if (const JsonValue* type = reader.set("model_type")) {
    for (const Family& family : kFamilies)
      if (type->is(Type::kString) && type->string == family.model_type) return family;
    reader.fail("model_type is " + describe(*type) + ", which is not supported (" + known + " are)");
  }
  const JsonValue* architectures = reader.set("architectures");
  if (architectures != nullptr && architectures->is(Type::kArray) && !architectures->items.empty())
    for (const Family& family : kFamilies)
      if (architectures->items[0].is(Type::kString) && architectures->items[0].string == family.architecture) return family;
  reader.fail("model_type is missing (" + known + " are supported)");
}

/// What this program would compute wrongly is refused by name, never passed over.
void refuse_unsupported(const ConfigReader& reader) {
  if (reader.set("auto_map") != nullptr) reader.fail("auto_map says that the model needs its own Python code, which is never run");
  if (reader.set("quantization_config") != nullptr)
    reader.fail("quantization_config says that the parameters are quantized, which is not supported: use the original checkpoint");
  if (const JsonValue* activation = reader.set("hidden_act"))
    if (!activation->is(Type::kString) || (activation->string != "silu" && activation->string != "swish"))
      reader.fail("hidden_act is " + describe(*activation) + ", but only \"silu\" is supported");
  if (reader.flag("mlp_bias", false)) reader.fail("mlp_bias is true, but biases in the MLP are not supported");
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
void check_window(const ConfigReader& reader, const Family& family, std::int64_t max_positions) {
  if (const JsonValue* types = reader.set("layer_types")) {
    if (!types->is(Type::kArray)) reader.fail("layer_types is " + describe(*types) + ", where a list is needed");
    for (const JsonValue& type : types->items)
      if (!type.is(Type::kString) || type.string != "full_attention")
        reader.fail("layer_types holds " + describe(type) + ", but only \"full_attention\" is supported");
  }
  if (std::string_view(family.model_type) == "llama") return;
  if (std::string_view(family.model_type) == "qwen2" && !reader.flag("use_sliding_window", false)) return;
  if (reader.set("sliding_window") == nullptr) return;
  const std::int64_t window = reader.integer("sliding_window", {1, INT32_MAX});
  if (window < max_positions)
    reader.fail("sliding_window is " + std::to_string(window) + ", shorter than max_position_embeddings (" +
                std::to_string(max_positions) + "): trained sliding windows are not supported");
}

ModelShape read_shape(const ConfigReader& reader, const Family& family) {
  ModelShape shape;
  shape.vocab_size = reader.integer("vocab_size", {1, 10000000});
  shape.d_model = reader.integer("hidden_size", {1, 65536});
  shape.d_ff = reader.integer("intermediate_size", {1, 1048576});
  shape.n_layers = reader.integer("num_hidden_layers", {1, 1000});
  shape.n_heads = reader.integer("num_attention_heads", {1, 4096});
  // Absent means the family's own default, null means one K/V head for each head; both as in the reference.
  const bool is_null = reader.is_null("num_key_value_heads");
  const std::int64_t absent = is_null || family.absent_kv_heads == 0 ? shape.n_heads : family.absent_kv_heads;
  shape.n_kv_heads = reader.integer("num_key_value_heads", {1, 4096}, absent);
  shape.max_positions = reader.integer("max_position_embeddings", {1, INT32_MAX}, family.absent_max_positions);
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

}  // namespace

ConfigReading read_model_config_with_notices(const std::filesystem::path& config_json) {
  const std::string file = shown_path(config_json);
  const JsonDocument document = read_json_file(config_json, kMaxConfigBytes);
  if (!document.root.is(Type::kObject)) throw Error(file + ": must be an object, but it is " + describe(document.root));
  const ConfigReader reader(document.root, file);
  ConfigReading reading;
  for (const std::string& name : document.duplicates)
    reading.notices.push_back(in_quotes(name, 60) + " is in " + file + " twice; the last one counts.");
  const Family& family = find_family(reader);
  refuse_unsupported(reader);
  ModelConfig& config = reading.config;
  config.family = family.model_type;
  config.shape = read_shape(reader, family);
  config.rope_theta = read_rope_theta(reader);
  // Below float32's smallest normal number an epsilon is none.
  config.rms_norm_eps = reader.real("rms_norm_eps", 1e-30, 1, 1e-6f);
  config.ties_embeddings = reader.flag("tie_word_embeddings", false);
  const bool has_attention_bias = family.qkv_bias == QkvBias::kAttentionBias && reader.flag("attention_bias", false);
  config.has_qkv_bias = family.qkv_bias == QkvBias::kAlways || has_attention_bias;
  config.has_o_bias = has_attention_bias;
  check_window(reader, family, config.shape.max_positions);
  return reading;
}

ModelConfig read_model_config(const std::filesystem::path& config_json) {
  return read_model_config_with_notices(config_json).config;
}

std::vector<TensorSlot> tensor_slots(ModelParams& params) {
  const ModelConfig& config = params.config;
  const ModelShape& shape = config.shape;
  const std::int64_t d_q = shape.n_heads * shape.d_head, d_kv = shape.n_kv_heads * shape.d_head;
  params.layers.resize(static_cast<std::size_t>(shape.n_layers));
  std::vector<TensorSlot> slots;
  slots.push_back({"embed_tokens.weight", {shape.vocab_size, shape.d_model}, &params.embedding});
  for (std::size_t i = 0; i < params.layers.size(); ++i) {
    LayerParams& layer = params.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    const auto add = [&](const char* name, std::vector<std::int64_t> dims, Tensor& target) {
      slots.push_back({prefix + name, std::move(dims), &target});
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
  slots.push_back({"norm.weight", {shape.d_model}, &params.final_norm});
  if (!config.ties_embeddings) slots.push_back({"lm_head.weight", {shape.vocab_size, shape.d_model}, &params.lm_head});
  return slots;
}

}  // namespace headroom
