#include "app/window/xdg.h"

#include <cstdlib>

namespace headroom {
namespace {

constexpr const char* kFolder = "headroom";

/// Absolute or nothing: what a relative value would mean depends on where the program was started.
std::filesystem::path absolute_or_empty(const std::string& value) {
  const std::filesystem::path path(value);
  return path.is_absolute() ? path : std::filesystem::path();
}

}  // namespace

UserFolders user_folders(const std::function<std::string(const char*)>& variable) {
  const std::filesystem::path home = absolute_or_empty(variable("HOME"));
  const auto folder = [&](const char* name, const char* under_home) -> std::filesystem::path {
    if (const auto base = absolute_or_empty(variable(name)); !base.empty()) return base / kFolder;
    return home.empty() ? std::filesystem::path() : home / under_home / kFolder;
  };
  return {.config = folder("XDG_CONFIG_HOME", ".config"),
          .state = folder("XDG_STATE_HOME", ".local/state"),
          .cache = folder("XDG_CACHE_HOME", ".cache"),
          .data = folder("XDG_DATA_HOME", ".local/share")};
}

UserFolders user_folders() {
  return user_folders([](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  });
}

}  // namespace headroom
