#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/session/action.h"

namespace headroom {

using SessionJson = nlohmann::ordered_json;

/// One value of a Session: its place in a file, which is also its key on the command line. Private to session_json.cpp and
/// session_set.cpp: both read this one table.
struct SessionField {
  std::string path;               ///< "compute.n_heads"
  std::vector<std::string> also;  ///< other short forms: "h"
  std::function<SessionJson(const Session&)> get;
  /// Puts a value as it lies in a file into a Session, unchecked but for its type. Errors  Error saying only what it takes.
  std::function<void(Session&, const SessionJson&)> put;
  /// What a person types to the value as it lies in a file. Errors  Error saying only what it takes. Empty: not settable.
  std::function<SessionJson(std::string_view)> parse;
  /// The action that brings a Session to the value that `changed` has. Empty: SessionReplaced.
  std::function<Action(const Session& changed)> action;
  /// Texts are stored under path + "_bytes", in hexadecimal, when they are no valid UTF-8.
  bool is_text = false;
};

/// All of them, in the order of the file.
const std::vector<SessionField>& session_fields();

std::string to_hex(std::string_view bytes);
/// Errors  Error saying what would be right.
std::string from_hex(std::string_view digits);

}  // namespace headroom
