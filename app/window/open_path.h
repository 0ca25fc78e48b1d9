#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/session/action.h"

namespace headroom {

/// What a path turned out to be.
struct OpenedPath {
  Action action;                     ///< ModelOpened or SessionReplaced
  std::filesystem::path path;        ///< absolute: the model's folder or the session's file
  std::vector<std::string> notices;  ///< sentences for the person
  bool is_session = false;
};
/// A model folder (or a file inside one) or a session file, told apart by what lies there. A folder among the bundled models is opened as
/// that model, so that sessions with it open on any machine.
/// Errors  Error with one sentence when it is neither, or cannot be read.
OpenedPath open_path(const std::filesystem::path& path, const std::filesystem::path& assets);

/// "~/x" and "~" under the home folder; anything else as it is.
std::filesystem::path expand_home(const std::filesystem::path& path);

}  // namespace headroom
