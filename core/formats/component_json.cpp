#include "core/formats/component_json.h"

#include <limits>

#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr int kMaxSequenceDepth = 8;
constexpr std::uint64_t kMaxId = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kMaxEntries = 10000000;

}  // namespace

std::string at(const ComponentPlace& place) { return place.file + ": " + place.field; }

const std::string& component_type(const JsonValue& json, const ComponentPlace& place) {
  const JsonValue* type = json.find("type");
  if (type == nullptr || !type->is(JsonValue::Type::kString))
    throw Error(at(place) + " needs a text \"type\"" +
                (json.is(JsonValue::Type::kObject) ? std::string() : ", but it is " + describe(json)));
  return type->string;
}

bool read_flag(const JsonValue& json, const char* name, bool fallback, const ComponentPlace& place) {
  const JsonValue* value = json.find_set(name);
  if (value == nullptr) return fallback;
  if (!value->is(JsonValue::Type::kBool))
    throw Error(at(place) + " has " + name + " = " + describe(*value) + ", where true or false is needed");
  return value->boolean;
}

const std::string& read_text(const JsonValue& json, const char* name, const ComponentPlace& place) {
  const JsonValue* value = json.find(name);
  if (value == nullptr || !value->is(JsonValue::Type::kString)) throw Error(at(place) + " needs a text \"" + name + "\"");
  return value->string;
}

char32_t read_character(const JsonValue& json, const char* name, const ComponentPlace& place) {
  const std::u32string text = to_utf32(read_text(json, name, place));
  if (text.size() != 1)
    throw Error(at(place) + " has " + name + " = " + describe(*json.find(name)) + ", where one character is needed");
  return text[0];
}

std::size_t read_count(const JsonValue& json, const char* name, std::size_t limit, const ComponentPlace& place) {
  const JsonValue* value = json.find(name);
  if (value == nullptr || !value->is(JsonValue::Type::kUnsigned) || value->unsigned_value > limit)
    throw Error(at(place) + " has " + name + " = " + (value == nullptr ? "(none)" : describe(*value)) +
                ", where an integer from 0 to " + std::to_string(limit) + " is needed");
  return static_cast<std::size_t>(value->unsigned_value);
}

const std::vector<JsonValue>& read_steps(const JsonValue& json, const char* name, const ComponentPlace& place) {
  const JsonValue* list = json.find(name);
  if (list == nullptr || !list->is(JsonValue::Type::kArray) || place.depth >= kMaxSequenceDepth)
    throw Error(at(place) + " of type \"Sequence\" needs a list \"" + name + "\", at most " + std::to_string(kMaxSequenceDepth) +
                " deep");
  return list->items;
}

Vocabulary read_vocabulary(const JsonValue& json, const ComponentPlace& place) {
  const JsonValue* vocab = json.find("vocab");
  if (vocab == nullptr || !vocab->is(JsonValue::Type::kObject)) throw Error(at(place) + " needs an object \"vocab\"");
  if (vocab->members.empty()) throw Error(at(place) + " has an empty vocab");
  if (vocab->members.size() > kMaxEntries)
    throw Error(at(place) + " has a vocab of " + counted(vocab->members.size(), "word") + ", more than the limit of " +
                with_thousands(kMaxEntries));
  Vocabulary vocabulary;
  vocabulary.reserve(vocab->members.size());
  for (const auto& [word, id] : vocab->members) {
    if (!id.is(JsonValue::Type::kUnsigned) || id.unsigned_value > kMaxId)
      throw Error(at(place) + " gives " + in_quotes(word, 60) + " the id " + describe(id) + ", where an integer from 0 to " +
                  std::to_string(kMaxId) + " is needed");
    vocabulary.add(word, static_cast<std::int32_t>(id.unsigned_value));
  }
  return vocabulary;
}

}  // namespace headroom
