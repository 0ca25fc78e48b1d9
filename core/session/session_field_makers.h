#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/session/names.h"
#include "core/session/session_fields.h"
#include "core/tensor/error.h"

// Makers of SessionFields, private to the files that list them. `at` finds the value inside a Session.
namespace headroom::session_field {

// Values in files. Errors  Error saying only what would be right.
std::int64_t integer_of(const SessionJson& json);
std::uint64_t seed_of(const SessionJson& json);
double number_of(const SessionJson& json);
std::string text_of(const SessionJson& json);
HeadRef head_of(const SessionJson& json);
template <typename E>
E enum_of(const SessionJson& json) {
  const auto value = json.is_string() ? enum_from_name<E>(json.get_ref<const std::string&>()) : std::nullopt;
  if (!value) throw Error("one of " + enum_choices<E>());
  return *value;
}

// Values as they are typed. Errors  Error saying only what would be right.
SessionJson parse_integer(std::string_view text);
SessionJson parse_seed(std::string_view text);
SessionJson parse_double(std::string_view text);
SessionJson parse_text(std::string_view text);
SessionJson parse_head(std::string_view text);
SessionJson parse_token(std::string_view text);
SessionJson parse_count(std::string_view text);
SessionJson parse_words(std::string_view text);  ///< words with commas between them
SessionJson parse_heads(std::string_view text);
/// The name that `text` means: "-", "_" and a space all separate words.
template <typename E>
SessionJson parse_name(std::string_view text) {
  const auto joined = [](std::string_view words) {
    std::string name(words);
    for (char& c : name) {
      if (c == '-' || c == ' ') c = '_';
    }
    return name;
  };
  for (const EnumName<E>& entry : enum_names<E>()) {
    if (joined(entry.name) == joined(text)) return entry.name;
  }
  return joined(text);
}

using MakeAction = std::function<Action(const Session&)>;

template <typename At>
SessionField integer_field(std::string path, At at, MakeAction action = {}, std::vector<std::string> also = {}) {
  return {std::move(path),
          std::move(also),
          [at](const Session& s) { return SessionJson(at(s)); },
          [at](Session& s, const SessionJson& json) { at(s) = integer_of(json); },
          parse_integer,
          std::move(action)};
}

template <typename At>
SessionField seed_field(std::string path, At at, MakeAction action) {
  return {std::move(path),
          {},
          [at](const Session& s) { return SessionJson(at(s)); },
          [at](Session& s, const SessionJson& json) { at(s) = seed_of(json); },
          parse_seed,
          std::move(action)};
}

template <typename At>
SessionField number_field(std::string path, At at) {
  return {std::move(path),
          {},
          [at](const Session& s) { return SessionJson(at(s)); },
          [at](Session& s, const SessionJson& json) { at(s) = number_of(json); },
          parse_double,
          {}};
}

template <typename At>
SessionField text_field(std::string path, At at, MakeAction action) {
  SessionField field{std::move(path),
                     {},
                     [at](const Session& s) { return SessionJson(static_cast<const std::string&>(at(s))); },
                     [at](Session& s, const SessionJson& json) { at(s) = text_of(json); },
                     parse_text,
                     std::move(action)};
  field.is_text = true;
  return field;
}

template <typename E, typename At>
SessionField enum_field(std::string path, At at, MakeAction action, std::vector<std::string> also = {}) {
  return {std::move(path),
          std::move(also),
          [at](const Session& s) { return SessionJson(enum_name<E>(at(s))); },
          [at](Session& s, const SessionJson& json) { at(s) = enum_of<E>(json); },
          parse_name<E>,
          std::move(action)};
}

template <typename At>
SessionField token_field(std::string path, At at, MakeAction action) {
  return {std::move(path),
          {},
          [at](const Session& s) { return at(s) ? SessionJson(*at(s)) : SessionJson(nullptr); },
          [at](Session& s, const SessionJson& json) {
            at(s).reset();
            if (!json.is_null()) at(s) = integer_of(json);
            if (at(s) && *at(s) < 0) throw Error("a token's place in the sentence counted from 0, or null");
          },
          parse_token,
          std::move(action)};
}

template <typename At>
SessionField head_field(std::string path, At at, MakeAction action) {
  return {std::move(path),
          {},
          [at](const Session& s) { return at(s) ? SessionJson(head_key(*at(s))) : SessionJson(nullptr); },
          [at](Session& s, const SessionJson& json) {
            at(s).reset();
            if (!json.is_null()) at(s) = head_of(json);
          },
          parse_head,
          std::move(action)};
}

/// So many tokens, or none.
template <typename At>
SessionField count_field(std::string path, At at, MakeAction action) {
  return {std::move(path),
          {},
          [at](const Session& s) { return at(s) ? SessionJson(*at(s)) : SessionJson(nullptr); },
          [at](Session& s, const SessionJson& json) {
            at(s).reset();
            if (!json.is_null()) at(s) = integer_of(json);
          },
          parse_count,
          std::move(action)};
}

/// What is planned: writing, decoding, batches, costs, and how training is looked at.
void add_plan_fields(std::vector<SessionField>& fields);

// `auto&` both reads from a const Session and writes into a free one.
#define HEADROOM_AT(member) \
  [](auto& s) -> auto& { return s.member; }
#define HEADROOM_SET(made) [](const Session& s) -> Action { return made; }

}  // namespace headroom::session_field
