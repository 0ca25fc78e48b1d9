#include "core/formats/model_config.h"

#include <optional>

#include "core/formats/family.h"
#include "core/formats/file.h"
#include "core/formats/inner_model.h"
#include "core/formats/model_folder.h"
#include "core/formats/save_model.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

const Family& find_family(const ConfigReader& reader) {
  std::string known;
  for (const Family& family : families())
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  if (const JsonValue* type = reader.set("model_type")) {
    for (const Family& family : families())
      if (type->is(Type::kString) && type->string == family.model_type) return family;
    reader.fail("model_type is " + describe(*type) + ", which is not supported (" + known + " are)");
  }
  const JsonValue* architectures = reader.set("architectures");
  if (architectures != nullptr && architectures->is(Type::kArray) && !architectures->items.empty())
    for (const Family& family : families())
      if (architectures->items[0].is(Type::kString) && architectures->items[0].string == family.architecture) return family;
  reader.fail("model_type is missing (" + known + " are supported)");
}

/// What no family of this program computes is refused by name, never passed over.
void refuse_unsupported(const ConfigReader& reader) {
  if (reader.set("auto_map") != nullptr) reader.fail("auto_map says that the model needs its own Python code, which is never run");
  if (reader.set("quantization_config") != nullptr)
    reader.fail("quantization_config says that the parameters are quantized, which is not supported: use the original checkpoint");
}

/// The attention of the first layer reads nothing that an MLP made.
ModelConfig first_attention_of(ModelConfig config) {
  config.shape.n_layers = 1;
  config.shape.d_ff = 0;
  if (!config.windows.empty()) config.windows.erase(config.windows.begin() + 1, config.windows.end());
  config.predicts = config.has_head_transform = config.has_output_bias = false;
  config.ties_embeddings = true;  // there is no other output
  return config;
}

/// What the configuration says, or of a model of one stack whose activation has an unknown name its first attention.
void read_config(const JsonValue& root, const std::string& file, const Family& family, ConfigReading& reading) {
  const auto read = [&](const JsonValue& from) {
    ModelConfig config;
    config.family = family.model_type;
    family.read(ConfigReader(from, file), family, config);
    return config;
  };
  try {
    reading.config = read(root);
  } catch (const UnknownActivation& unknown) {
    JsonValue known = root;
    for (auto& [name, value] : known.members)
      if (name == unknown.field()) value.string = "gelu";
    ModelConfig config = read(known);
    if (config.kind == ModelKind::kEncoderDecoder) throw;
    reading.config = first_attention_of(std::move(config));
    reading.part = ModelPart::kFirstAttention;
    reading.notices.push_back(std::string(unknown.what()) +
                              ": the attention of the first layer is shown, which comes before any MLP; the layers behind it and "
                              "what the model predicts are not computed.");
  }
}

}  // namespace

ConfigReading read_model_config_with_notices(const std::filesystem::path& config_json) {
  const std::string file = shown_path(config_json);
  const JsonDocument document = read_json_file(config_json, kMaxConfigBytes);
  if (!document.root.is(Type::kObject)) throw Error(file + ": must be an object, but it is " + describe(document.root));
  const std::optional<JsonValue> inner = find_inner_model(document.root);
  const JsonValue& root = inner ? *inner : document.root;
  const std::string where = inner ? file + ", " + kInnerModel : file;
  const ConfigReader reader(root, where);
  ConfigReading reading;
  for (const std::string& name : document.duplicates)
    reading.notices.push_back(in_quotes(name, 60) + " is in " + file + " twice; the last one counts.");
  const Family& family = find_family(reader);
  refuse_unsupported(reader);
  if (inner) {
    refuse_unsupported(ConfigReader(document.root, file));
    reading.notices.push_back(std::string("Only its language model (") + kInnerModel + ") is read: no pictures.");
  }
  read_config(root, where, family, reading);
  return reading;
}

ModelConfig read_model_config(const std::filesystem::path& config_json) {
  ConfigReading reading = read_model_config_with_notices(config_json);
  if (reading.part != ModelPart::kWhole) throw Error(reading.notices.back());
  return std::move(reading.config);
}

std::vector<TensorSlot> tensor_slots(ModelParams& params) {
  params.layers.resize(static_cast<std::size_t>(params.config.shape.n_layers));
  params.encoder_layers.resize(static_cast<std::size_t>(params.config.n_encoder_layers));
  return family_named(params.config.family).slots(params);
}

std::string find_family_problem(const ModelConfig& config) {
  for (const Family& family : families())
    if (config.family == family.model_type) return family.problem(config);
  return "there is no family of models named " + in_quotes(config.family);
}

}  // namespace headroom
