#include "tests/app/picture.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>

#include "core/formats/file.h"

namespace headroom {

namespace fs = std::filesystem;

PictureDifference compare_pictures(const Image& actual, const Image& expected, const PictureTolerance& tolerance) {
  PictureDifference result;
  if (actual.width != expected.width || actual.height != expected.height) {
    result.has_same_size = false;
    result.share_of_pixels = 1;
    return result;
  }
  result.difference = {actual.width, actual.height, std::vector<std::uint8_t>(actual.rgba.size(), 255)};
  std::size_t n_different = 0;
  for (std::size_t pixel = 0; pixel < actual.rgba.size(); pixel += 4) {
    int largest = 0;
    for (std::size_t c = pixel; c < pixel + 4; ++c) {
      const int difference = std::abs(int{actual.rgba[c]} - int{expected.rgba[c]});
      largest = std::max(largest, difference);
      if (c < pixel + 3) result.difference.rgba[c] = static_cast<std::uint8_t>(std::min(255, 4 * difference));
    }
    result.largest = std::max(result.largest, largest);
    if (largest > tolerance.per_channel) ++n_different;
  }
  result.share_of_pixels = static_cast<double>(n_different) / (static_cast<double>(actual.rgba.size()) / 4);
  return result;
}

PictureFile::PictureFile(const std::string& bytes) {
  static std::atomic<int> n_made = 0;
  path_ = fs::temp_directory_path() / ("headroom_picture_" + std::to_string(getpid()) + "_" + std::to_string(n_made++) + ".png");
  std::ofstream(path_, std::ios::binary) << bytes;
}

PictureFile::~PictureFile() {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

Image image_of(const std::string& png) { return read_png(PictureFile(png).path()); }

std::string check_against_golden(const Image& actual, const std::string& name, const PictureTolerance& tolerance) {
  const fs::path golden = fs::path(HEADROOM_SOURCE_DIR) / "tests/golden/pictures" / (name + ".png");
  if (const char* bless = std::getenv("HEADROOM_BLESS"); bless != nullptr && std::string(bless) == "1") {
    fs::create_directories(golden.parent_path());
    write_file_atomically(golden, encode_png(actual));
    return "";
  }
  const fs::path folder = fs::path(HEADROOM_BINARY_DIR) / "pictures";
  fs::create_directories(folder);
  if (!fs::exists(golden)) {
    write_file_atomically(folder / (name + ".actual.png"), encode_png(actual));
    return "there is no golden picture " + golden.string() + "; look at " + (folder / (name + ".actual.png")).string() +
           " and run with HEADROOM_BLESS=1";
  }
  const PictureDifference result = compare_pictures(actual, read_png(golden), tolerance);
  if (result.has_same_size && result.share_of_pixels <= tolerance.share_of_pixels) return "";
  write_file_atomically(folder / (name + ".actual.png"), encode_png(actual));
  if (!result.has_same_size) return name + ": another size than the golden picture";
  write_file_atomically(folder / (name + ".difference.png"), encode_png(result.difference));
  return name + ": " + std::to_string(100 * result.share_of_pixels) + " % of the pixels differ, by at most " +
         std::to_string(result.largest) + " of 255; see " + (folder / (name + ".difference.png")).string();
}

}  // namespace headroom
