// {"format": "headroom gpu tuning", "version": 1, "devices": {"<renderer | driver>": {"<class>": {"shape": "...", "ms": 1.5}}}}
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/gl/tuner.h"

namespace headroom::gl {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "headroom gpu tuning";
// More is not ours: some hundred bytes a device and class.
constexpr std::streamsize kMaxBytes = 1 << 20;

/// The whole file, or an empty object when it is missing, too large, broken or of another kind.
Json read_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(static_cast<std::size_t>(kMaxBytes), '\0');
  stream.read(text.data(), kMaxBytes);
  if (stream.gcount() == kMaxBytes) return Json::object();
  text.resize(static_cast<std::size_t>(stream.gcount()));
  Json json = Json::parse(text, nullptr, false);
  const bool is_ours = json.is_object() && json.contains("format") && json["format"] == kFormat && json.contains("version") &&
                       json["version"] == 1 && json.contains("devices") && json["devices"].is_object();
  return is_ours ? json : Json::object();
}

}  // namespace

TunedShapes read_tuning(const std::filesystem::path& file, const std::string& device) {
  TunedShapes shapes;
  const Json json = read_file(file);
  if (!json.contains("devices") || !json["devices"].contains(device)) return shapes;
  const Json& classes = json["devices"][device];
  if (!classes.is_object()) return shapes;
  for (const auto& [problem, entry] : classes.items()) {
    if (!entry.is_object() || !entry.contains("shape") || !entry["shape"].is_string()) continue;
    const double ms = entry.contains("ms") && entry["ms"].is_number() ? entry["ms"].get<double>() : 0.0;
    shapes[problem] = {entry["shape"].get<std::string>(), ms};
  }
  return shapes;
}

bool write_tuning(const std::filesystem::path& file, const std::string& device, const TunedShapes& shapes) {
  Json json = read_file(file);
  json["format"] = kFormat;
  json["version"] = 1;
  Json& classes = json["devices"][device];
  if (!classes.is_object()) classes = Json::object();
  for (const auto& [problem, shape] : shapes)
    classes[problem] = {{"shape", shape.shape}, {"ms", std::isfinite(shape.ms) ? shape.ms : 0.0}};

  std::error_code error;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), error);
  // Beside the file, so that the rename stays on one file system; of this process, so that two do not write one text.
  const std::filesystem::path draft = file.string() + "." + std::to_string(::getpid()) + ".tmp";
  {
    std::ofstream stream(draft, std::ios::binary | std::ios::trunc);
    stream << json.dump(1, ' ', false, Json::error_handler_t::replace) << '\n';
    stream.close();
    if (stream.fail()) {
      std::filesystem::remove(draft, error);
      return false;
    }
  }
  std::filesystem::rename(draft, file, error);
  if (!error) return true;
  std::filesystem::remove(draft, error);
  return false;
}

}  // namespace headroom::gl
