#include <cstdlib>

#include "app/commands/command.h"

namespace headroom {

namespace fs = std::filesystem;

fs::path find_assets() {
  std::error_code ignored;
  const auto holds_models = [&](const fs::path& folder) { return fs::is_directory(folder / "models", ignored); };
  if (const char* set = std::getenv("HEADROOM_ASSETS"); set != nullptr && *set != '\0') {
    if (holds_models(set)) return set;
    throw Error("HEADROOM_ASSETS names " + std::string(set) + ", which holds no models folder");
  }
  fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  if (folder.empty()) folder = fs::current_path(ignored);
  const fs::path beside = folder;
  if (holds_models(folder / ".." / "share" / "headroom")) return (folder / ".." / "share" / "headroom").lexically_normal();
  for (int up = 0; up < 5 && !folder.empty(); ++up, folder = folder.parent_path()) {
    if (holds_models(folder / "assets")) return folder / "assets";
  }
  throw Error("the folder assets (bundled models and texts) was not found beside " + beside.string() +
              " or above it; set HEADROOM_ASSETS to it");
}

}  // namespace headroom
