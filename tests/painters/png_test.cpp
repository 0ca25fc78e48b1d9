#include "app/painters/png.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/tensor/error.h"
#include "tests/app/picture.h"

namespace headroom {
namespace {

Image gradient(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int value : {x * 7, y * 11, x * y, 255 - x})
        image.rgba.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return image;
}

TEST(Png, ComesBackAsItWent) {
  for (const auto& [width, height] : {std::pair{1, 1}, {17, 5}, {300, 200}}) {
    const Image image = gradient(width, height);
    const Image again = read_png(PictureFile(encode_png(image)).path());
    EXPECT_EQ(again.width, width);
    EXPECT_EQ(again.height, height);
    EXPECT_EQ(again.rgba, image.rgba);
  }
}

TEST(Png, IsTheSameTwiceAndHasNoDate) {
  const Image image = gradient(64, 64);
  const std::string bytes = encode_png(image);
  EXPECT_EQ(bytes, encode_png(image));
  EXPECT_EQ(bytes.find("tIME"), std::string::npos);
  EXPECT_EQ(bytes.find("tEXt"), std::string::npos);
}

TEST(Png, RefusesWhatIsNoPicture) {
  EXPECT_THROW(encode_png({0, 4, {}}), Error);
  EXPECT_THROW(encode_png({16385, 1, std::vector<std::uint8_t>(16385 * 4)}), Error);
  EXPECT_THROW(encode_png({2, 2, std::vector<std::uint8_t>(15)}), ShapeError);
}

TEST(Png, SaysWhatIsWrongWithAFile) {
  const std::string whole = encode_png(gradient(40, 40));
  EXPECT_THROW(read_png("/nowhere/at/all.png"), Error);
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{20}, whole.size() / 2}) {
    const PictureFile cut(whole.substr(0, length));
    try {
      read_png(cut.path());
      ADD_FAILURE() << "read a file cut at " << length;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(cut.path().string()));
    }
  }
  std::string huge = whole;  // a header that claims 2^31 - 1 columns, its checksum wrong
  huge[16] = '\x7f';
  EXPECT_THROW(read_png(PictureFile(huge).path()), Error);
}

}  // namespace
}  // namespace headroom
