#include "core/tensor/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/tensor/error.h"

namespace headroom {
namespace {

/// What the standard says, term by term.
double float16_value(std::uint16_t bits) {
  const int sign = bits >> 15, exponent = (bits >> 10) & 31, mantissa = bits & 0x3FF;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return sign != 0 ? -magnitude : magnitude;
}

bool is_finite16(std::uint32_t bits) { return (bits & 0x7C00U) != 0x7C00U; }

TEST(Float16, EveryPatternIsItsValueAndComesBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = from_float16(static_cast<std::uint16_t>(bits));
    if (!is_finite16(bits)) continue;
    ASSERT_EQ(static_cast<double>(value), float16_value(static_cast<std::uint16_t>(bits))) << bits;
    ASSERT_EQ(to_float16(value), bits);
  }
}

TEST(Float16, RoundsToTheNearestAndTiesToEven) {
  for (std::uint32_t bits = 0; bits < 0x7BFFU; ++bits) {
    const double low = float16_value(static_cast<std::uint16_t>(bits)), high = float16_value(static_cast<std::uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);
    ASSERT_EQ(to_float16(middle), bits + (bits & 1U)) << bits;
    ASSERT_EQ(to_float16(std::nextafter(middle, 0.0F)), bits);
    ASSERT_EQ(to_float16(std::nextafter(middle, 1e9F)), bits + 1);
    ASSERT_EQ(to_float16(-middle), (bits + (bits & 1U)) | 0x8000U);
  }
}

TEST(Float16, EdgesAreKept) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(to_float16(65519.0F), 0x7BFFU);
  EXPECT_EQ(to_float16(65520.0F), 0x7C00U);
  EXPECT_EQ(to_float16(-kInfinity), 0xFC00U);
  EXPECT_EQ(from_float16(0x7C00U), kInfinity);
  EXPECT_EQ(from_float16(0xFC00U), -kInfinity);
  EXPECT_TRUE(std::isnan(from_float16(to_float16(std::nanf("")))));
  EXPECT_TRUE(std::signbit(from_float16(0x8000U)));
  EXPECT_EQ(to_float16(1e-30F), 0U);
}

TEST(BFloat16, RoundsToTheNearestAndTiesToEven) {
  for (std::uint32_t upper = 0; upper < 0x7F7FU; upper += 7) {
    const auto at = [&](std::uint32_t lower) { return std::bit_cast<float>((upper << 16U) | lower); };
    ASSERT_EQ(to_bfloat16(at(0)), upper);
    ASSERT_EQ(from_bfloat16(static_cast<std::uint16_t>(upper)), at(0));
    ASSERT_EQ(to_bfloat16(at(0x7FFF)), upper);
    ASSERT_EQ(to_bfloat16(at(0x8000)), upper + (upper & 1U));
    ASSERT_EQ(to_bfloat16(at(0x8001)), upper + 1);
  }
  EXPECT_TRUE(std::isnan(from_bfloat16(to_bfloat16(std::bit_cast<float>(0x7F800001U)))));
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()), 0x7F80U);
}

TEST(Dtype, ArraysMustHaveEqualSizes) {
  const std::vector<float> from{1, -2, 0.5F};
  std::vector<std::uint16_t> to(3), fewer(2);
  to_float16(from, to);
  EXPECT_EQ(to, (std::vector<std::uint16_t>{0x3C00U, 0xC000U, 0x3800U}));
  to_bfloat16(from, to);
  EXPECT_EQ(to, (std::vector<std::uint16_t>{0x3F80U, 0xC000U, 0x3F00U}));
  EXPECT_THROW(to_float16(from, fewer), ShapeError);
}

}  // namespace
}  // namespace headroom
