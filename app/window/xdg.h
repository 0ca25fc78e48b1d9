#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace headroom {

/// Where the program keeps what outlives it. An empty path: nothing is kept there.
struct UserFolders {
  std::filesystem::path config;  ///< settings.json
  std::filesystem::path state;   ///< recent files, autosave
  std::filesystem::path cache;
  std::filesystem::path data;  ///< models trained here
};
/// $XDG_CONFIG_HOME/headroom, $XDG_STATE_HOME/headroom, $XDG_CACHE_HOME/headroom, $XDG_DATA_HOME/headroom, else ~/.config, ~/.local/state,
/// ~/.cache, ~/.local/share. A relative
/// value counts as unset, as the specification says; without HOME nothing is kept. Creates nothing.
/// Source  XDG Base Directory Specification 0.8.
UserFolders user_folders();
/// The same from any environment. `variable` returns "" for an unset name.
UserFolders user_folders(const std::function<std::string(const char*)>& variable);

}  // namespace headroom
