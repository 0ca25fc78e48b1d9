#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace headroom {

/// 8-bit RGBA, straight alpha, rows from top to bottom.
struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgba;
};

/// The same bytes for the same pixels: no time stamp. Errors  Error when a side is not in [1, 16384].
std::string encode_png(const Image& image);
/// Errors  Error with the path.
Image read_png(const std::filesystem::path& path);

}  // namespace headroom
