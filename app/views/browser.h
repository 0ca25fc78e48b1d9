#pragma once

#include <string>

#include "app/views/context.h"

namespace headroom {

/// What a browser is for.
struct BrowserSpec {
  const char* name = "";  ///< in the widget map: "dialog/open"
  enum class Picks { kExisting, kNewFile } picks = Picks::kExisting;
  std::string_view endings;  ///< files shown, by ending, separated by spaces: ".json" or ".png .svg .pdf"
  double list_height = 240;  ///< logical pixels
};

/// Where a browser that opens now begins: `path` in its field, its folder listed.
void start_browser(const Frame& frame, const std::filesystem::path& path);
/// Path field, places and the folder's entries. True when the person settled on the path in the field (Enter or double-click).
bool draw_browser(const Frame& frame, const BrowserSpec& spec);
/// What the field holds, "~" written out.
std::filesystem::path browsed_path(const Frame& frame);
/// The listed folder has an entry of this path's name.
bool is_listed(const Frame& frame, const std::filesystem::path& path);
/// $HOME, else the root.
std::filesystem::path home_folder();

}  // namespace headroom
