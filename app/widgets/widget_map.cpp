#include "app/widgets/widget_map.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom::widget_map {
namespace {

using Box = std::array<float, 4>;

/// Only the interface thread draws.
struct Map {
  std::string path;
  std::map<std::string, Box> now, written;
  std::int64_t frame = 0;
  bool has_failed = false;

  Map() {
    const char* named = std::getenv("HEADROOM_WIDGET_MAP");
    if (named != nullptr) path = named;
  }
};

Map& map() {
  static Map the_map;
  return the_map;
}

}  // namespace

bool is_on() { return !map().path.empty(); }

void begin_frame() {
  if (is_on()) map().now.clear();
}

void record(const std::string& name, float x, float y, float w, float h) {
  if (is_on()) map().now[name] = {x, y, w, h};
}

void end_frame() {
  if (!is_on()) return;
  Map& the_map = map();
  ++the_map.frame;
  if (the_map.now == the_map.written || the_map.has_failed) return;
  nlohmann::ordered_json json;
  json["frame"] = the_map.frame;
  for (const auto& [name, box] : the_map.now) {
    auto& entry = json[name] = nlohmann::ordered_json::array();
    for (const float value : box)
      entry.push_back(std::isfinite(value) ? value : 0.0F);
  }
  try {
    write_file_atomically(the_map.path, json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  } catch (const Error&) {
    the_map.has_failed = true;  // A wrong path must not end the program that is being tested.
  }
  the_map.written = the_map.now;
}

}  // namespace headroom::widget_map
