#include "core/formats/model_config.h"

#include "core/formats/family.h"
#include "core/formats/file.h"
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
  reading.config.family = family.model_type;
  family.read(reader, family, reading.config);
  return reading;
}

ModelConfig read_model_config(const std::filesystem::path& config_json) {
  return read_model_config_with_notices(config_json).config;
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
