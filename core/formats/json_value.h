#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headroom {

/// A JSON document as read: plain values, members in file order. Integers stay integers.
struct JsonValue {
  enum class Type { kNull, kBool, kUnsigned, kNegative, kFloat, kString, kArray, kObject } type = Type::kNull;
  bool boolean = false;
  std::uint64_t unsigned_value = 0;                        ///< kUnsigned
  std::int64_t negative_value = 0;                         ///< kNegative: below zero, or the -0 that is no plain integer
  double float_value = 0;                                  ///< kFloat; finite
  std::string string;                                      ///< kString; of a kFloat its digits as they were written
  std::vector<JsonValue> items;                            ///< kArray
  std::vector<std::pair<std::string, JsonValue>> members;  ///< kObject; names differ

  // Out of line: the members hold pairs of this very type, which is complete only below.
  JsonValue();
  ~JsonValue();
  JsonValue(const JsonValue&);
  JsonValue(JsonValue&&) noexcept;
  JsonValue& operator=(const JsonValue&);
  JsonValue& operator=(JsonValue&&) noexcept;

  bool is(Type other) const { return type == other; }
  bool is_number() const { return type == Type::kUnsigned || type == Type::kNegative || type == Type::kFloat; }
  /// Any number as double; 0 for what is no number.
  double number() const;
  /// The member of an object, or nullptr when there is none or this is no object.
  const JsonValue* find(std::string_view name) const;
  /// Like find, but null counts as absent.
  const JsonValue* find_set(std::string_view name) const;
};

/// "a string", "true", "12", "an object": what a message says was found.
std::string describe(const JsonValue& value);

inline constexpr std::size_t kMaxJsonDepth = 128;

struct JsonDocument {
  JsonValue root;
  /// Names given twice in one object, e.g. "hidden_size"; the last value was taken, as Python's json does.
  std::vector<std::string> duplicates;
};

/// Strict JSON (RFC 8259): no comments, BOM, NUL, trailing comma or NaN; depth at most kMaxJsonDepth.
/// Errors  Error that begins with `where` and names the byte.
JsonDocument parse_json(std::string_view text, const std::string& where);
/// Reads and parses a file. Errors  Error naming the file, also when it is larger than max_bytes.
JsonDocument read_json_file(const std::filesystem::path& path, std::uint64_t max_bytes);

/// What every JSON text must be before a parser sees it: valid UTF-8 without BOM and NUL. "" or what is wrong and at which byte.
std::string find_json_text_problem(std::string_view text);

}  // namespace headroom
