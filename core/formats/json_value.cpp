#include "core/formats/json_value.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/formats/file.h"
#include "core/formats/json_problem.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Members = std::vector<std::pair<std::string, JsonValue>>;

/// Finds an object's members by name: a vocabulary has 250,000 of them. A hash table of places, open addressing, once there are many.
class MemberIndex {
 public:
  /// The member's place, or members.size() when it is new: the caller adds it there.
  std::size_t find_or_add(const Members& members, std::string_view name) {
    const std::size_t n = members.size();
    if (n < kFew) {
      const auto found = std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.first == name; });
      return static_cast<std::size_t>(found - members.begin());
    }
    if (2 * (n + 1) > slots_.size()) {
      slots_.assign(std::max(4 * kFew, 2 * slots_.size()), 0);
      for (std::size_t i = 0; i < n; ++i)
        slots_[slot_of(members, members[i].first)] = static_cast<std::uint32_t>(i + 1);
    }
    std::uint32_t& slot = slots_[slot_of(members, name)];
    if (slot != 0) return slot - 1;
    slot = static_cast<std::uint32_t>(n + 1);
    return n;
  }

 private:
  static constexpr std::size_t kFew = 16;

  std::size_t slot_of(const Members& members, std::string_view name) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = std::hash<std::string_view>{}(name)&mask;
    while (slots_[slot] != 0 && members[slots_[slot] - 1].first != name)
      slot = (slot + 1) & mask;
    return slot;
  }

  std::vector<std::uint32_t> slots_;  // 1 + the place, 0 where free
};

/// Builds a JsonValue from nlohmann's events; the stack is our own, so depth costs no machine stack.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return put({}); }
  bool boolean(bool v) override {
    JsonValue value;
    value.type = JsonValue::Type::kBool;
    value.boolean = v;
    return put(std::move(value));
  }
  bool number_integer(number_integer_t v) override {
    JsonValue value;
    value.type = JsonValue::Type::kNegative;
    value.negative_value = v;
    return put(std::move(value));
  }
  bool number_unsigned(number_unsigned_t v) override {
    JsonValue value;
    value.type = JsonValue::Type::kUnsigned;
    value.unsigned_value = v;
    return put(std::move(value));
  }
  bool number_float(number_float_t v, const string_t& digits) override {
    JsonValue value;
    value.type = JsonValue::Type::kFloat;
    value.float_value = v;
    value.string = digits;
    return put(std::move(value));
  }
  bool string(string_t& v) override {
    JsonValue value;
    value.type = JsonValue::Type::kString;
    value.string = std::move(v);
    return put(std::move(value));
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(JsonValue::Type::kObject); }
  bool start_array(std::size_t) override { return open(JsonValue::Type::kArray); }
  bool key(string_t& v) override {
    open_.back().key = std::move(v);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& exception) override {
    problem = json_problem(position, exception.what());
    return false;
  }

  JsonDocument document;
  std::string problem;

 private:
  struct Open {
    JsonValue value;
    std::string key;
    MemberIndex index;
  };

  bool open(JsonValue::Type type) {
    if (open_.size() >= kMaxJsonDepth) {
      problem = "is nested deeper than " + std::to_string(kMaxJsonDepth) + " levels";
      return false;
    }
    open_.emplace_back().value.type = type;
    return true;
  }
  bool close() {
    JsonValue value = std::move(open_.back().value);
    open_.pop_back();
    return put(std::move(value));
  }
  bool put(JsonValue value) {
    if (open_.empty()) {
      document.root = std::move(value);
      return true;
    }
    Open& parent = open_.back();
    if (parent.value.type == JsonValue::Type::kArray) {
      if (parent.value.items.empty()) parent.value.items.reserve(2);  // most lists are pairs, or long
      parent.value.items.push_back(std::move(value));
      return true;
    }
    Members& members = parent.value.members;
    const std::size_t found = parent.index.find_or_add(members, parent.key);
    if (found == members.size()) {
      members.emplace_back(std::move(parent.key), std::move(value));
    } else {
      members[found].second = std::move(value);
      document.duplicates.push_back(parent.key);
    }
    return true;
  }

  std::vector<Open> open_;
};

}  // namespace

std::string json_problem(std::size_t position, std::string_view what) {
  // nlohmann's text is "[json.exception…] parse error at line 1, column 2: what is wrong"; its byte counts from 1.
  const std::size_t colon = what.find(": ");
  if (what.find("out_of_range") != std::string_view::npos)
    return "holds a number too large to read before byte " + std::to_string(position);
  const std::string_view reason = colon == std::string_view::npos ? what : what.substr(colon + 2);
  return "is not valid JSON at byte " + std::to_string(position == 0 ? 0 : position - 1) + ": " + escape_for_display(reason, 160);
}

JsonValue::JsonValue() = default;
JsonValue::~JsonValue() = default;
JsonValue::JsonValue(const JsonValue&) = default;
JsonValue::JsonValue(JsonValue&&) noexcept = default;
JsonValue& JsonValue::operator=(const JsonValue&) = default;
JsonValue& JsonValue::operator=(JsonValue&&) noexcept = default;

double JsonValue::number() const {
  switch (type) {
    case Type::kUnsigned:
      return static_cast<double>(unsigned_value);
    case Type::kNegative:
      return static_cast<double>(negative_value);
    case Type::kFloat:
      return float_value;
    default:
      return 0;
  }
}

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto found = std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.first == name; });
  return found == members.end() ? nullptr : &found->second;
}

const JsonValue* JsonValue::find_set(std::string_view name) const {
  const JsonValue* value = find(name);
  return value == nullptr || value->is(Type::kNull) ? nullptr : value;
}

std::string describe(const JsonValue& value) {
  switch (value.type) {
    case JsonValue::Type::kNull:
      return "null";
    case JsonValue::Type::kBool:
      return value.boolean ? "true" : "false";
    case JsonValue::Type::kUnsigned:
      return std::to_string(value.unsigned_value);
    case JsonValue::Type::kNegative:
      return value.negative_value == 0 ? "-0" : std::to_string(value.negative_value);
    case JsonValue::Type::kFloat: {
      char text[32];
      const auto end = std::to_chars(text, text + sizeof text, value.float_value);
      return {text, end.ptr};
    }
    case JsonValue::Type::kString:
      return in_quotes(value.string, 60);
    case JsonValue::Type::kArray:
      return "a list";
    case JsonValue::Type::kObject:
      return "an object";
  }
  return "";
}

std::string find_json_text_problem(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) return "begins with a byte order mark, which JSON does not allow";
  if (const auto invalid = find_invalid_utf8(text)) return "is not valid UTF-8 at byte " + std::to_string(*invalid);
  // nlohmann takes a NUL for the end of its input.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) return "holds a NUL at byte " + std::to_string(nul);
  return "";
}

JsonDocument parse_json(std::string_view text, const std::string& where) {
  if (text.empty()) throw Error(where + ": is empty");
  if (const std::string problem = find_json_text_problem(text); !problem.empty()) throw Error(where + ": " + problem);
  Builder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
    throw Error(where + ": " + (builder.problem.empty() ? "is not valid JSON" : builder.problem));
  return std::move(builder.document);
}

JsonDocument read_json_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  return parse_json(read_text_file(path, max_bytes), shown_path(path));
}

}  // namespace headroom
