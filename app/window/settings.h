#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/views/model.h"

namespace headroom {

/// What was read, and a sentence when it was not what was expected.
struct LoadedSettings {
  Settings settings;
  std::string notice;
};

/// Settings as JSON, two-space indent, keys in a fixed order.
std::string settings_to_json(const Settings& settings);
/// Missing fields keep their defaults, unknown ones are ignored, values out of range are brought into it. Errors  Error when it is no JSON object.
Settings settings_from_json(std::string_view json);

/// `folder`/settings.json. A missing file (or an empty folder path) gives the defaults; a corrupt one too, and is kept as settings.json.corrupt.
LoadedSettings load_settings(const std::filesystem::path& folder);
/// Creates the folder. Errors  Error with the path and the reason.
void save_settings(const Settings& settings, const std::filesystem::path& folder);

inline constexpr std::size_t kMaxRecent = 12;
/// `folder`/recent.json, newest first. A missing or corrupt list is an empty one.
std::vector<std::filesystem::path> load_recent(const std::filesystem::path& folder);
void save_recent(const std::vector<std::filesystem::path>& recent, const std::filesystem::path& folder);

}  // namespace headroom
