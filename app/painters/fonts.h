#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace headroom {

/// Font files of this machine. A missing one is an empty path, and `note` says in one sentence what is drawn instead and what to install.
struct FontFiles {
  std::filesystem::path sans;                    ///< Inter Regular, else DejaVu Sans, Liberation Sans, ...
  std::filesystem::path sans_medium;             ///< Inter Medium or SemiBold, else as sans
  std::filesystem::path mono;                    ///< JetBrains Mono Regular, else DejaVu Sans Mono, ...
  std::vector<std::filesystem::path> fallbacks;  ///< for characters that those lack (other scripts), in order
  std::string note;
};
/// Looked up once by fontconfig; never a file from a model's folder.
const FontFiles& font_files();

}  // namespace headroom
