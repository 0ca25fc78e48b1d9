#include "core/formats/config_reader.h"

#include "core/attention/config.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;

std::string short_number(double number) {
  JsonValue value;
  value.type = Type::kFloat;
  value.float_value = number;
  return describe(value);
}

}  // namespace

void ConfigReader::fail(const std::string& what) const { throw Error(file_ + ": " + what); }

bool ConfigReader::is_null(const char* name) const {
  const JsonValue* value = root_.find(name);
  return value != nullptr && value->is(Type::kNull);
}

std::int64_t ConfigReader::integer(const char* name, Range range, std::optional<std::int64_t> absent) const {
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

std::int64_t ConfigReader::integer(const char* name, const char* other, Range range, std::optional<std::int64_t> absent) const {
  if (set(other) == nullptr) return integer(name, range, absent);
  const std::int64_t value = integer(other, range);
  if (set(name) != nullptr && integer(name, range) != value)
    fail(std::string(name) + " and " + other + " mean the same, but differ");
  return value;
}

bool ConfigReader::flag(const char* name, bool absent) const {
  const JsonValue* value = set(name);
  if (value == nullptr) return absent;
  if (!value->is(Type::kBool)) fail(std::string(name) + " is " + describe(*value) + ", where true or false is needed");
  return value->boolean;
}

float ConfigReader::real(const JsonValue& value, const std::string& name, double low, double high) const {
  if (!value.is_number() || !(value.number() >= low && value.number() <= high))
    fail(name + " is " + describe(value) + ", where a number from " + short_number(low) + " to " + short_number(high) +
         " is needed");
  return static_cast<float>(value.number());
}

float ConfigReader::real(const char* name, double low, double high, float absent) const {
  const JsonValue* value = set(name);
  return value == nullptr ? absent : real(*value, name, low, high);
}

void ConfigReader::require_flag(const char* name, bool wanted, const char* why) const {
  if (flag(name, wanted) != wanted) fail(std::string(name) + " is " + (wanted ? "false" : "true") + ", but " + why);
}

MlpKind ConfigReader::activation(const char* name, const char* absent) const {
  const JsonValue* value = set(name);
  if (value != nullptr && !value->is(Type::kString))
    fail(std::string(name) + " is " + describe(*value) + ", where a name is needed");
  if (const std::optional<MlpKind> known = activation_named(value == nullptr ? absent : value->string)) return *known;
  throw UnknownActivation(
      file_ + ": " + name + " is " + describe(*value) + ", but only \"gelu\", \"gelu_new\", \"relu\" and \"silu\" are supported",
      name);
}

std::optional<MlpKind> ConfigReader::activation_named(std::string_view name) {
  if (name == "gelu" || name == "gelu_python") return MlpKind::kGelu;
  // Three names of one formula, computed in other orders.
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast") return MlpKind::kGeluTanh;
  if (name == "relu") return MlpKind::kRelu;
  if (name == "silu" || name == "swish") return MlpKind::kSilu;
  return std::nullopt;
}

std::int64_t ConfigReader::head_size(std::int64_t d_model, std::int64_t n_heads) const {
  if (d_model % n_heads != 0)
    fail("the width " + std::to_string(d_model) + " cannot be cut into " + std::to_string(n_heads) + " heads of equal size");
  if (d_model / n_heads > kMaxDHead)
    fail("the heads have size " + std::to_string(d_model / n_heads) + ", but at most " + std::to_string(kMaxDHead) +
         " is supported");
  return d_model / n_heads;
}

}  // namespace headroom
