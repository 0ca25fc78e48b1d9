#include "core/session/session_field_makers.h"

#include <charconv>
#include <limits>

namespace headroom::session_field {
namespace {

template <typename T>
SessionJson parse_number(std::string_view text, const char* right) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) throw Error(right);
  return value;
}

bool is_none(std::string_view text) { return text.empty() || text == "none" || text == "null"; }

}  // namespace

std::int64_t integer_of(const SessionJson& json) {
  if (!json.is_number_integer()) throw Error("a whole number");
  if (json.is_number_unsigned() &&
      json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw Error("a whole number below 2^63");
  }
  return json.get<std::int64_t>();
}

std::uint64_t seed_of(const SessionJson& json) {
  if (!json.is_number_unsigned()) throw Error("a whole number from 0 to 2^64 - 1");
  return json.get<std::uint64_t>();
}

double number_of(const SessionJson& json) {
  if (!json.is_number()) throw Error("a number");
  return json.get<double>();
}

std::string text_of(const SessionJson& json) {
  if (!json.is_string()) throw Error("a text in quotes");
  return json.get<std::string>();
}

HeadRef head_of(const SessionJson& json) {
  const auto head = json.is_string() ? head_from_key(json.get_ref<const std::string&>()) : std::nullopt;
  if (!head) throw Error("layer.head, both counted from 0, such as \"3.7\"");
  return *head;
}

SessionJson parse_integer(std::string_view text) { return parse_number<std::int64_t>(text, "a whole number, such as 4"); }
SessionJson parse_seed(std::string_view text) { return parse_number<std::uint64_t>(text, "a whole number from 0 to 2^64 - 1"); }
SessionJson parse_double(std::string_view text) { return parse_number<double>(text, "a number, such as 1.5"); }
SessionJson parse_text(std::string_view text) { return std::string(text); }

SessionJson parse_head(std::string_view text) { return is_none(text) ? SessionJson(nullptr) : SessionJson(std::string(text)); }

SessionJson parse_token(std::string_view text) {
  if (is_none(text)) return nullptr;
  return parse_number<std::uint32_t>(text, "a token's place in the sentence counted from 0, or none");
}

SessionJson parse_count(std::string_view text) {
  if (is_none(text)) return nullptr;
  return parse_integer(text);
}

SessionJson parse_words(std::string_view text) {
  SessionJson words = SessionJson::array();
  while (!is_none(text)) {
    const std::size_t comma = text.find(',');
    words.push_back(std::string(text.substr(0, comma)));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return words;
}

SessionJson parse_heads(std::string_view text) {
  SessionJson heads = SessionJson::array();
  if (is_none(text)) return heads;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ')
      part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ')
      part.remove_suffix(1);
    if (!head_from_key(part)) throw Error("layer.head pairs with commas between them, such as 0.3,2.1, or nothing");
    heads.push_back(std::string(part));
    if (comma == std::string_view::npos) return heads;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace headroom::session_field
