#include "core/formats/rope_fields.h"

#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "core/formats/file.h"
#include "core/formats/layer_kinds.h"
#include "core/model/rope.h"

namespace headroom {
namespace {

using Type = JsonValue::Type;
using Kind = RopeScaling::Kind;

constexpr std::array<std::pair<const char*, Kind>, 6> kKinds{{{"default", Kind::kNone},
                                                              {"linear", Kind::kLinear},
                                                              {"dynamic", Kind::kDynamic},
                                                              {"llama3", Kind::kLlama3},
                                                              {"yarn", Kind::kYarn},
                                                              {"longrope", Kind::kLongRope}}};
constexpr const char* kOriginal = "original_max_position_embeddings";
constexpr double kLeast = 1e-6, kMost = 1e9;

/// Two places of one value.
template <typename Value>
void settle(const ConfigReader& reader, std::optional<Value>& into, const std::optional<Value>& value, const std::string& names) {
  if (!value) return;
  if (into && *into != *value) reader.fail(names + " differ");
  into = value;
}

/// One object of rope_parameters or rope_scaling, with the names that its members have in messages.
class RopeObject {
 public:
  RopeObject(const ConfigReader& reader, const JsonValue& value, std::string name)
      : reader_(reader), value_(value), name_(std::move(name)) {
    if (!value.is(Type::kObject)) reader.fail(name_ + " is " + describe(value) + ", where an object is needed");
  }

  std::string name(const char* key) const { return name_ + "." + key; }
  const JsonValue* set(const char* key) const { return value_.find_set(key); }
  std::optional<double> number(const char* key) const {
    const JsonValue* value = set(key);
    if (value == nullptr) return std::nullopt;
    reader_.real(*value, name(key), kLeast, kMost);
    return value->number();
  }
  double needed(const char* key) const {
    const std::optional<double> value = number(key);
    if (!value) reader_.fail(name(key) + " is missing");
    return *value;
  }
  /// A number of which 0 counts as absent, as Python's `or` takes it.
  std::optional<double> unless_zero(const char* key) const {
    const JsonValue* value = set(key);
    if (value != nullptr && value->is_number() && value->number() == 0) return std::nullopt;
    return number(key);
  }
  std::optional<std::int64_t> length(const char* key) const {
    const JsonValue* value = set(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is(Type::kUnsigned) || value->unsigned_value < 2 || value->unsigned_value > INT32_MAX)
      reader_.fail(name(key) + " is " + describe(*value) + ", where an integer from 2 to 2147483647 is needed");
    return static_cast<std::int64_t>(value->unsigned_value);
  }
  std::vector<double> numbers(const char* key, std::int64_t n) const {
    const JsonValue* value = set(key);
    if (value == nullptr) reader_.fail(name(key) + " is missing");
    if (!value->is(Type::kArray) || std::ssize(value->items) != n)
      reader_.fail(name(key) + " is " +
                   (value->is(Type::kArray) ? "a list of " + std::to_string(value->items.size()) : describe(*value)) +
                   ", where a list of " + std::to_string(n) + " numbers is needed, one for each pair that turns");
    std::vector<double> numbers;
    for (const JsonValue& item : value->items) {
      reader_.real(item, name(key) + "'s entry", kLeast, kMost);
      numbers.push_back(item.number());
    }
    return numbers;
  }
  /// rope_type, or type as older files call it. Errors  Error for a type that is not known.
  Kind kind(bool is_phi) const {
    const JsonValue *type = set("rope_type"), *old = set("type");
    if (type != nullptr && old != nullptr && !(type->is(Type::kString) && old->is(Type::kString) && type->string == old->string))
      reader_.fail(name("rope_type") + " and " + name("type") + " differ");
    const char* key = type == nullptr ? "type" : "rope_type";
    if (type == nullptr) type = old;
    if (type == nullptr) return Kind::kNone;
    if (is_phi && type->is(Type::kString) && (type->string == "su" || type->string == "yarn")) return Kind::kLongRope;
    for (const auto& [known, kind] : kKinds)
      if (type->is(Type::kString) && type->string == known) return kind;
    reader_.fail(name(key) + " is " + describe(*type) +
                 ", but only \"default\", \"linear\", \"dynamic\", \"llama3\", \"yarn\" and \"longrope\" are supported");
  }
  const JsonValue& value() const { return value_; }

 private:
  const ConfigReader& reader_;
  const JsonValue& value_;
  std::string name_;
};

struct RopeFields {
  std::optional<float> theta;
  std::optional<double> share;
  RopeScaling scaling;
  bool operator==(const RopeFields&) const = default;
};

/// Reads what stands beside and inside rope_parameters and rope_scaling.
class RopeReader {
 public:
  RopeReader(const ConfigReader& reader, const RopeDialect& dialect, ModelConfig& config)
      : reader_(reader), dialect_(dialect), config_(config) {}

  void read() {
    RopeFields found = outer();
    std::optional<RopeScaling> scaling;
    for (const char* name : {"rope_parameters", "rope_scaling"}) {
      const JsonValue* value = reader_.set(name);
      if (value == nullptr || (value->is(Type::kObject) && value->members.empty())) continue;
      const RopeFields inner = one_for_all_layers(*value, name);
      settle(reader_, found.theta, inner.theta, std::string("rope_theta and ") + name + ".rope_theta");
      settle(reader_, found.share, inner.share, std::string(dialect_.share) + " and " + name + ".partial_rotary_factor");
      settle(reader_, scaling, std::optional(inner.scaling), "the scalings in rope_parameters and rope_scaling");
    }
    config_.rope_theta = found.theta.value_or(10000.0f);
    config_.rotary_share = found.share.value_or(dialect_.absent_share);
    if (scaling) config_.rope_scaling = *scaling;
    if (const std::string problem = find_rope_problem(config_); !problem.empty()) reader_.fail(problem);
  }

 private:
  float theta(const JsonValue& value, const std::string& name) const { return reader_.real(value, name, 1, 1e12); }
  double share(const JsonValue& value, const std::string& name) const {
    if (!dialect_.turns_part) {
      if (!value.is_number() || value.number() != 1)
        reader_.fail(name + " is " + describe(value) + ", but in this family all of each head turns: only 1 is supported");
      return 1;
    }
    reader_.real(value, name, 1e-3, 1);
    return value.number();
  }

  RopeFields outer() const {
    RopeFields fields;
    for (const char* name : {"rope_theta", dialect_.theta})
      if (const JsonValue* value = reader_.set(name))
        settle(reader_, fields.theta, std::optional(theta(*value, name)), std::string("rope_theta and ") + dialect_.theta);
    for (const char* name : {"partial_rotary_factor", dialect_.share})
      if (const JsonValue* value = reader_.set(name))
        settle(reader_, fields.share, std::optional(share(*value, name)),
               std::string("partial_rotary_factor and ") + dialect_.share);
    return fields;
  }

  /// The object itself, or the one that it holds for every kind of layer.
  RopeFields one_for_all_layers(const JsonValue& value, const std::string& name) const {
    const RopeObject object(reader_, value, name);
    const auto is_kind = [](const std::string& key) { return key == "full_attention" || key == "sliding_attention"; };
    std::optional<RopeFields> all;
    for (const auto& [key, inner] : value.members) {
      if (!is_kind(key)) {
        if (inner.is(Type::kObject))
          reader_.fail(name + "." + escape_for_display(key, 60) +
                       " sets rotary positions for a kind of layer that is not supported");
        continue;
      }
      const RopeFields fields = read_object(RopeObject(reader_, inner, name + "." + key));
      if (all && !(*all == fields))
        reader_.fail(name + " gives some layers other rotary positions than others, which is not supported");
      all = fields;
    }
    if (!all) return read_object(object);
    for (const std::string& type : read_layer_types(reader_, config_.shape.n_layers))
      if (value.find_set(type) == nullptr) reader_.fail(name + " says nothing of layers of \"" + type + "\"");
    return *all;
  }

  RopeFields read_object(const RopeObject& rope) const {
    RopeFields fields;
    if (const JsonValue* value = rope.set("rope_theta")) fields.theta = theta(*value, rope.name("rope_theta"));
    if (const JsonValue* value = rope.set("partial_rotary_factor"))
      fields.share = share(*value, rope.name("partial_rotary_factor"));
    fields.scaling = read_scaling(rope, fields.share);
    return fields;
  }

  RopeScaling read_scaling(const RopeObject& rope, std::optional<double> inner_share) const {
    RopeScaling scaling;
    scaling.kind = rope.kind(dialect_.longrope_original > 0);
    if (dialect_.longrope_original > 0 && scaling.kind != Kind::kNone && scaling.kind != Kind::kLongRope)
      reader_.fail(rope.name("rope_type") + " is not \"longrope\", the only scaling of this family");
    const std::optional<double> factor = rope.number("factor");
    if (scaling.kind == Kind::kNone) {
      if (factor && *factor != 1)
        reader_.fail(rope.name("factor") + " is " + describe(*rope.set("factor")) + ", but no rope_type says what it scales");
      return scaling;
    }
    const bool has_original = scaling.kind == Kind::kLlama3 || scaling.kind == Kind::kYarn || scaling.kind == Kind::kLongRope;
    if (has_original) scaling.original_positions = read_original(rope);
    const bool may_infer =
        scaling.kind == Kind::kLongRope || (scaling.kind == Kind::kYarn && rope.value().find("factor") != nullptr);
    if (factor) {
      scaling.factor = *factor;
    } else if (may_infer) {
      scaling.factor = static_cast<double>(config_.shape.max_positions) / static_cast<double>(scaling.original_positions);
    } else {
      scaling.factor = rope.needed("factor");
    }
    read_details(rope, inner_share, scaling);
    return scaling;
  }

  void read_details(const RopeObject& rope, std::optional<double> inner_share, RopeScaling& scaling) const {
    if (scaling.kind == Kind::kLlama3) {
      scaling.low_freq_factor = rope.needed("low_freq_factor");
      scaling.high_freq_factor = rope.needed("high_freq_factor");
    }
    if (scaling.kind == Kind::kYarn) {
      scaling.beta_fast = rope.unless_zero("beta_fast").value_or(32);
      scaling.beta_slow = rope.unless_zero("beta_slow").value_or(1);
      scaling.mscale = rope.unless_zero("mscale");
      scaling.mscale_all_dim = rope.unless_zero("mscale_all_dim");
      if (const JsonValue* truncates = rope.set("truncate")) {
        if (!truncates->is(Type::kBool))
          reader_.fail(rope.name("truncate") + " is " + describe(*truncates) + ", where true or false is needed");
        scaling.truncates = truncates->boolean;
      }
    }
    if (scaling.kind == Kind::kYarn || scaling.kind == Kind::kLongRope) scaling.attention_factor = rope.number("attention_factor");
    if (scaling.kind == Kind::kLongRope) {
      ModelConfig with_share = config_;
      with_share.rotary_share = inner_share.value_or(outer().share.value_or(dialect_.absent_share));
      const std::int64_t pairs = (rotary_width(with_share) + 1) / 2;
      scaling.short_factors = rope.numbers("short_factor", pairs);
      scaling.long_factors = rope.numbers("long_factor", pairs);
    }
  }

  std::int64_t read_original(const RopeObject& rope) const {
    std::optional<std::int64_t> original = rope.length(kOriginal);
    if (reader_.set(kOriginal) != nullptr)
      settle(reader_, original, std::optional(reader_.integer(kOriginal, {2, INT32_MAX})),
             std::string(kOriginal) + " and " + rope.name(kOriginal));
    if (original) return *original;
    return dialect_.longrope_original > 0 ? dialect_.longrope_original : config_.shape.max_positions;
  }

  const ConfigReader& reader_;
  const RopeDialect& dialect_;
  ModelConfig& config_;
};

/// The shortest text that is read back as the same number; Python's json reads 100 as an integer.
std::string json_of_double(double value) {
  char text[64];
  std::string number(text, std::to_chars(text, text + sizeof text, value).ptr);
  if (number.find_first_of(".e") == std::string::npos) number += ".0";
  return number;
}

std::string json_of_list(const std::vector<double>& values) {
  std::string text;
  for (const double value : values)
    text += (text.empty() ? "" : ", ") + json_of_double(value);
  return "[" + text + "]";
}

std::string json_of_rope(const RopeDialect& dialect, const ModelConfig& config) {
  const RopeScaling& scaling = config.rope_scaling;
  std::string text;
  for (const auto& [name, kind] : kKinds)
    if (kind == scaling.kind) text = R"({"rope_type": ")" + std::string(name) + R"(", "rope_theta": )" + json_of(config.rope_theta);
  const auto add = [&](const char* name, const std::string& value) { text += std::string(", \"") + name + "\": " + value; };
  const auto add_if = [&](const char* name, std::optional<double> value) {
    if (value) add(name, json_of_double(*value));
  };
  if (dialect.turns_part) add("partial_rotary_factor", json_of_double(config.rotary_share));
  if (scaling.kind != Kind::kNone) add("factor", json_of_double(scaling.factor));
  if (scaling.original_positions > 0) add(kOriginal, json_of(scaling.original_positions));
  if (scaling.kind == Kind::kLlama3) {
    add("low_freq_factor", json_of_double(scaling.low_freq_factor));
    add("high_freq_factor", json_of_double(scaling.high_freq_factor));
  }
  if (scaling.kind == Kind::kYarn) {
    add("beta_fast", json_of_double(scaling.beta_fast));
    add("beta_slow", json_of_double(scaling.beta_slow));
    add_if("mscale", scaling.mscale);
    add_if("mscale_all_dim", scaling.mscale_all_dim);
    add("truncate", json_of(scaling.truncates));
  }
  add_if("attention_factor", scaling.attention_factor);
  if (scaling.kind == Kind::kLongRope) {
    add("short_factor", json_of_list(scaling.short_factors));
    add("long_factor", json_of_list(scaling.long_factors));
  }
  return text + "}";
}

}  // namespace

void read_rope(const ConfigReader& reader, const RopeDialect& dialect, ModelConfig& config) {
  RopeReader(reader, dialect, config).read();
}

std::vector<ConfigMember> rope_members(const RopeDialect& dialect, const ModelConfig& config) {
  std::vector<ConfigMember> members = {{dialect.theta, json_of(config.rope_theta)}};
  if (dialect.turns_part) members.push_back({dialect.share, json_of_double(config.rotary_share)});
  if (dialect.longrope_original > 0 && config.rope_scaling.original_positions > 0)
    members.push_back({kOriginal, json_of(config.rope_scaling.original_positions)});
  members.push_back({"rope_parameters", json_of_rope(dialect, config)});
  return members;
}

}  // namespace headroom
