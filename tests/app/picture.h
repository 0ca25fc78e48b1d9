#pragma once

#include <filesystem>
#include <string>

#include "app/painters/png.h"

namespace headroom {

struct PictureTolerance {
  int per_channel = 2;             ///< of 255
  double share_of_pixels = 0.001;  ///< that may differ by more
};

struct PictureDifference {
  bool has_same_size = true;
  double share_of_pixels = 0;  ///< that differ by more than per_channel
  int largest = 0;             ///< of any channel
  Image difference;            ///< |a - b| times 4, opaque
};
PictureDifference compare_pictures(const Image& actual, const Image& expected, const PictureTolerance& tolerance);

/// A file in the folder for temporary files with a name that no other test has, in this process or another: tests run side by side. Gone with its
/// owner.
class PictureFile {
 public:
  explicit PictureFile(const std::string& bytes);
  ~PictureFile();
  PictureFile(const PictureFile&) = delete;
  PictureFile& operator=(const PictureFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};
/// The picture that these bytes of a PNG are.
Image image_of(const std::string& png);

/// Compares with tests/golden/pictures/NAME.png. On failure NAME.actual.png and NAME.difference.png lie in build/.../pictures, and the answer is
/// one sentence; otherwise "". With HEADROOM_BLESS=1 in the environment the golden picture is written instead.
std::string check_against_golden(const Image& actual, const std::string& name, const PictureTolerance& tolerance = {});

}  // namespace headroom
