#include "core/gl/buffer.h"

#include <epoxy/gl.h>

#include <limits>

#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

class BufferTest : public GlTest {};

TEST_F(BufferTest, HoldsWhatWasUploaded) {
  Buffer buffer(Texel::kVec4);
  const std::vector<float> values = random_values(101, 1);
  buffer.upload(std::span<const float>(values), "values");
  EXPECT_GE(buffer.capacity(), values.size() * sizeof(float));
  std::vector<float> back(values.size());
  buffer.read(0, std::span<float>(back));
  EXPECT_EQ(back, values);
  std::vector<float> tail(1);
  buffer.read(100 * sizeof(float), std::span<float>(tail));
  EXPECT_EQ(tail[0], values[100]);
}

TEST_F(BufferTest, GrowsAndMoves) {
  Buffer buffer;
  buffer.reserve(64, "room");
  buffer.reserve(32, "room");
  EXPECT_EQ(buffer.capacity(), 80U) << "no power of two";
  buffer.reserve(100, "room");
  EXPECT_EQ(buffer.capacity(), 112U);
  buffer.fill(2.5F, 112);
  Buffer other = std::move(buffer);
  std::vector<float> back(28);
  other.read(0, std::span<float>(back));
  EXPECT_EQ(back, std::vector<float>(28, 2.5F));
  buffer = std::move(other);
  EXPECT_EQ(buffer.capacity(), 112U);
}

TEST_F(BufferTest, FillsWithMinusInfinity) {
  Buffer buffer;
  buffer.reserve(16, "room");
  buffer.fill(-std::numeric_limits<float>::infinity(), 12);
  std::vector<float> back(3);
  buffer.read(0, std::span<float>(back));
  EXPECT_EQ(back, std::vector<float>(3, -std::numeric_limits<float>::infinity()));
}

TEST_F(BufferTest, RefusesRangesOutside) {
  Buffer buffer;
  buffer.reserve(16, "room");
  std::vector<float> back(buffer.capacity() / sizeof(float) + 1);
  EXPECT_THROW(buffer.read(0, std::span<float>(back)), Error);
  EXPECT_THROW(buffer.read(buffer.capacity() + 1, std::span<float>()), Error) << "an offset outside is wrong even for nothing";
  EXPECT_THROW(buffer.bind_storage(0, 16, buffer.capacity()), Error);
  EXPECT_THROW(buffer.fill(0, buffer.capacity() + 4), Error);
  EXPECT_THROW(buffer.bind_texture(0), Error);
}

TEST_F(BufferTest, NoRoomIsOneSentenceWithSizes) {
  Buffer buffer;
  try {
    buffer.reserve(std::size_t{1} << 46, "a large tensor");
    FAIL() << "64 TiB were granted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("a large tensor"));
    EXPECT_THAT(error.what(), testing::HasSubstr("70368744177680"));
  }
  EXPECT_EQ(buffer.capacity(), 0U);
  // The object is still good.
  buffer.reserve(16, "room");
  EXPECT_GE(buffer.capacity(), 16U);
  EXPECT_EQ(glGetError(), GLenum{GL_NO_ERROR});
}

TEST_F(BufferTest, TooManyTexelsIsOneSentenceWithNumbers) {
  Buffer buffer(Texel::kUint);
  const auto limit = static_cast<std::size_t>(context().facts().max_buffer_texels);
  try {
    buffer.reserve((limit + 4) * 4, "words");
    FAIL() << "more texels than the limit";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(std::to_string(limit)));
  }
}

}  // namespace
}  // namespace headroom::gl
