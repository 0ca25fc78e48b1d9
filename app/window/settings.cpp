#include "app/window/settings.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxBytes = 1U << 20U;
constexpr const char* kSettingsFile = "settings.json";
constexpr const char* kRecentFile = "recent.json";

/// Null where the text is no JSON. Depth is bounded by hand: the parser keeps its own stack, but freeing a deep value does not.
Json parse(std::string_view text) {
  std::size_t depth = 0, deepest = 0;
  for (const char c : text) {
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  if (deepest > 64) return Json(Json::value_t::discarded);
  return Json::parse(text.begin(), text.end(), nullptr, false);
}

double number_in(const Json& json, const char* key, double fallback, std::pair<double, double> range) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number()) return fallback;
  const double value = found->get<double>();
  return std::isfinite(value) ? std::clamp(value, range.first, range.second) : fallback;
}

bool bool_in(const Json& json, const char* key, bool fallback) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

void write_in(const std::filesystem::path& folder, const char* name, const std::string& bytes) {
  if (folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": the folder cannot be made (" + error.message() + "); nothing is remembered");
  write_file_atomically(folder / name, bytes);
}

}  // namespace

std::string settings_to_json(const Settings& settings) {
  Json json;
  json["version"] = 1;
  json["theme"] = settings.theme == ThemeName::kLight ? "light" : "dark";
  json["ui_scale"] = settings.ui_scale;
  json["is_presenter"] = settings.is_presenter;
  json["rail_width"] = settings.rail_width;
  json["inspector_width"] = settings.inspector_width;
  json["strip_height"] = settings.strip_height;
  json["window_width"] = settings.window_width;
  json["window_height"] = settings.window_height;
  return json.dump(2) + "\n";
}

Settings settings_from_json(std::string_view text) {
  const Json json = parse(text);
  if (!json.is_object()) throw Error("the settings are no JSON object; delete the file to start from the defaults");
  Settings settings;
  if (const auto found = json.find("theme"); found != json.end() && found->is_string()) {
    settings.theme = found->get<std::string>() == "light" ? ThemeName::kLight : ThemeName::kDark;
  }
  settings.ui_scale = number_in(json, "ui_scale", settings.ui_scale, {0.5, 4});
  settings.is_presenter = bool_in(json, "is_presenter", settings.is_presenter);
  settings.rail_width = number_in(json, "rail_width", settings.rail_width, {120, 1200});
  settings.inspector_width = number_in(json, "inspector_width", settings.inspector_width, {120, 1200});
  settings.strip_height = number_in(json, "strip_height", settings.strip_height, {60, 1200});
  settings.window_width = static_cast<int>(number_in(json, "window_width", settings.window_width, {320, 16384}));
  settings.window_height = static_cast<int>(number_in(json, "window_height", settings.window_height, {240, 16384}));
  return settings;
}

LoadedSettings load_settings(const std::filesystem::path& folder) {
  if (folder.empty()) return {.settings = {}, .notice = "HOME is not set: settings and recent files are not remembered"};
  const std::filesystem::path path = folder / kSettingsFile;
  if (!is_there(path)) return {};
  try {
    return {.settings = settings_from_json(read_text_file(path, kMaxBytes)), .notice = {}};
  } catch (const Error&) {
    std::filesystem::path kept = path;
    kept += ".corrupt";
    std::error_code error;
    std::filesystem::copy_file(path, kept, std::filesystem::copy_options::overwrite_existing, error);
    return {.settings = {},
            .notice = path.string() + " could not be read, so the defaults are used" +
                      (error ? std::string() : "; the old file is kept as " + kept.filename().string())};
  }
}

void save_settings(const Settings& settings, const std::filesystem::path& folder) {
  write_in(folder, kSettingsFile, settings_to_json(settings));
}

std::vector<std::filesystem::path> load_recent(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> recent;
  if (folder.empty() || !is_there(folder / kRecentFile)) return recent;
  try {
    const Json json = parse(read_text_file(folder / kRecentFile, kMaxBytes));
    if (!json.is_array()) return recent;
    for (const Json& entry : json) {
      if (recent.size() == kMaxRecent) break;
      if (entry.is_string() && std::filesystem::path(entry.get<std::string>()).is_absolute())
        recent.emplace_back(entry.get<std::string>());
    }
  } catch (const Error&) {
    recent.clear();  // A convenience that is lost is no failure.
  }
  return recent;
}

void save_recent(const std::vector<std::filesystem::path>& recent, const std::filesystem::path& folder) {
  Json json = Json::array();
  for (const auto& path : recent)
    json.push_back(path.string());
  write_in(folder, kRecentFile, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace headroom
