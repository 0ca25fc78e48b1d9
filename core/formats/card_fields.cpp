#include "core/formats/card_fields.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/formats/file.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

constexpr std::array<std::string_view, 7> kScalings{"default", "linear", "dynamic", "llama3", "yarn", "longrope", "su"};

/// A rotary description, of all layers or of one kind of layer.
struct Rope {
  const JsonValue& value;
  std::string name;  ///< "rope_scaling", "rope_parameters.full_attention"
};

std::string scaling_type(const ConfigReader& reader, const Rope& rope) {
  const JsonValue* type = rope.value.find_set("rope_type");
  if (type == nullptr) type = rope.value.find_set("type");
  if (type == nullptr) return "default";
  if (!type->is(Type::kString)) reader.fail(rope.name + ".rope_type is " + describe(*type) + ", where a name is needed");
  return type->string;
}

void check_part(const ConfigReader& reader, const std::string& name, double part, std::int64_t d_head) {
  const auto rotated = static_cast<std::int64_t>(static_cast<double>(d_head) * part);
  if (rotated < 2 || rotated % 2 != 0)
    reader.fail("rotary positions turn pairs, but " + name + " of d_k = " + std::to_string(d_head) + " is " +
                std::to_string(rotated) + (rotated < 2 ? " coordinates" : ", an odd number"));
}

void check_rope(const ConfigReader& reader, const Rope& rope, std::int64_t d_head, std::vector<std::string>& told) {
  if (!rope.value.is(Type::kObject)) reader.fail(rope.name + " is " + describe(rope.value) + ", where an object is needed");
  if (const JsonValue* theta = rope.value.find_set("rope_theta")) reader.real(*theta, rope.name + ".rope_theta", 1e-6, 1e15);
  if (const JsonValue* part = rope.value.find_set("partial_rotary_factor"))
    check_part(reader, rope.name + ".partial_rotary_factor", reader.real(*part, rope.name + ".partial_rotary_factor", 1e-6, 1),
               d_head);
  const std::string type = scaling_type(reader, rope);
  if (std::find(kScalings.begin(), kScalings.end(), type) == kScalings.end()) {
    told.push_back(rope.name + " asks for the rotary scaling " + in_quotes(type, 60) +
                   ", which is not known: scores after the rotation cannot be computed.");
    return;
  }
  const JsonValue* factor = rope.value.find_set("factor");
  const bool needs_factor = type == "linear" || type == "dynamic" || type == "llama3" || type == "yarn";
  if (needs_factor && factor == nullptr) reader.fail(rope.name + ".factor is missing, which the scaling \"" + type + "\" needs");
  if (factor != nullptr) reader.real(*factor, rope.name + ".factor", 1e-6, 1e9);
  for (const char* list : {"short_factor", "long_factor"}) {
    const JsonValue* value = rope.value.find_set(list);
    if (value == nullptr) continue;
    const std::size_t wanted = static_cast<std::size_t>(d_head / 2);
    if (!value->is(Type::kArray)) reader.fail(rope.name + "." + list + " is " + describe(*value) + ", where a list is needed");
    // A model that rotates a part of each head has as many factors as that part has pairs.
    if (value->items.empty() || value->items.size() > wanted)
      reader.fail(rope.name + "." + list + " holds " + std::to_string(value->items.size()) +
                  " numbers, where d_k / 2 = " + std::to_string(wanted) + " are needed");
    for (const JsonValue& item : value->items)
      reader.real(item, rope.name + "." + list, 1e-6, 1e9);
  }
}

std::string quantization_text(const JsonValue& value) {
  const JsonValue* method = value.find_set("quant_method");
  const JsonValue* bits = value.find_set("bits");
  std::string text = "its parameters are quantised";
  std::string how = method != nullptr && method->is(Type::kString) ? in_quotes(method->string, 60) : "";
  if (bits != nullptr && bits->is(Type::kUnsigned))
    how += (how.empty() ? "" : ", ") + std::to_string(bits->unsigned_value) + " bits";
  return text + (how.empty() ? "" : " (" + how + ")") +
         ", which is not computed with here: open the original checkpoint to see its heads";
}

}  // namespace

std::optional<std::int64_t> find_integer(const ConfigReader& reader, FieldNames names, ConfigReader::Range range) {
  const char* first = nullptr;
  std::optional<std::int64_t> found;
  for (const char* name : names) {
    if (reader.set(name) == nullptr) continue;
    const std::int64_t value = reader.integer(name, range);
    if (found && *found != value) reader.fail(std::string(first) + " and " + name + " mean the same, but differ");
    if (!found) first = name;
    found = value;
  }
  return found;
}

std::string find_text(const ConfigReader& reader, const char* name) {
  const JsonValue* value = reader.set(name);
  if (value == nullptr) return "";
  if (!value->is(Type::kString)) reader.fail(std::string(name) + " is " + describe(*value) + ", where a name is needed");
  return value->string;
}

bool has_any(const ConfigReader& reader, FieldNames names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return reader.set(name) != nullptr; });
}

std::vector<std::string> check_rotary(const ConfigReader& reader, std::int64_t d_head, double own_part) {
  std::vector<std::string> told;
  double part = own_part;
  for (const char* name : {"rotary_pct", "partial_rotary_factor"})
    if (const JsonValue* value = reader.set(name)) part = reader.real(*value, name, 1e-6, 1);
  check_part(reader, part == 1 ? "all" : "the rotated part", part, d_head);
  for (const char* name : {"rope_theta", "rotary_emb_base", "rope_local_base_freq"})
    if (const JsonValue* value = reader.set(name)) reader.real(*value, name, 1e-6, 1e15);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const JsonValue* rope = reader.set(name);
    if (rope == nullptr) continue;
    const bool is_nested =
        rope->is(Type::kObject) && !rope->members.empty() &&
        std::all_of(rope->members.begin(), rope->members.end(), [](const auto& member) { return member.second.is(Type::kObject); });
    if (!is_nested) {
      check_rope(reader, {*rope, name}, d_head, told);
      continue;
    }
    for (const auto& [kind, value] : rope->members)
      check_rope(reader, {value, std::string(name) + "." + escape_for_display(kind, 60)}, d_head, told);
  }
  return told;
}

std::vector<std::string> layer_types(const ConfigReader& reader, std::int64_t n_layers) {
  const JsonValue* types = reader.set("layer_types");
  std::vector<std::string> names;
  if (types == nullptr) return names;
  if (!types->is(Type::kArray)) reader.fail("layer_types is " + describe(*types) + ", where a list is needed");
  if (types->items.size() != static_cast<std::size_t>(n_layers))
    reader.fail("layer_types names " + std::to_string(types->items.size()) + " layers, but there are " + std::to_string(n_layers));
  for (const JsonValue& type : types->items) {
    if (!type.is(Type::kString)) reader.fail("layer_types holds " + describe(type) + ", where a name is needed");
    names.push_back(type.string);
  }
  return names;
}

std::string find_not_run(const ConfigReader& reader) {
  if (const JsonValue* value = reader.set("quantization_config")) return quantization_text(*value);
  if (reader.set("auto_map") != nullptr) return "auto_map says that the model needs Python code of its own, which is never run";
  return "";
}

}  // namespace headroom
