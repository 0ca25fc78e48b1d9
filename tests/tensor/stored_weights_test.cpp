#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/tensor/dtype.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"
#include "core/tensor/tensor.h"
#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

constexpr FloatType kNarrowTypes[] = {FloatType::kFloat16, FloatType::kBFloat16};

float widened_one(FloatType type, std::uint16_t bits) {
  return type == FloatType::kFloat16 ? from_float16(bits) : from_bfloat16(bits);
}

/// Finite numbers of every size, small ones below the smallest normal too.
std::uint16_t some_bits(FloatType type, std::mt19937& random) {
  const auto sign = static_cast<std::uint16_t>((random() & 1U) << 15U);
  if (random() % 16 == 0) return static_cast<std::uint16_t>(sign | (random() % 1024));
  const float value = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
  return type == FloatType::kFloat16 ? to_float16(value) : to_bfloat16(value);
}

/// A matrix of 16 bits in memory that ends with it, its rows `gap` elements apart, and the same numbers as float32.
struct Stored {
  FloatType type;
  std::int64_t rows, cols, stride;
  std::vector<std::uint16_t> bits;
  std::vector<float> wide;

  Stored(FloatType of, std::int64_t r, std::int64_t c, std::int64_t gap) : type(of), rows(r), cols(c), stride(c + gap) {
    std::mt19937 random(static_cast<std::uint32_t>(r * 131 + c));
    bits.assign(static_cast<std::size_t>(rows > 0 ? (rows - 1) * stride + cols : 0), 0x7FFFU);  // the gaps are NaN
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < cols; ++j) {
        std::uint16_t& value = bits[static_cast<std::size_t>(i * stride + j)];
        value = some_bits(type, random);
        wide.push_back(widened_one(type, value));
      }
    }
  }
  ConstWeightView view() const { return {bits.data(), rows, cols, stride, type}; }
  ConstMatrixView wide_view() const { return {wide.data(), rows, cols, cols}; }
};

std::vector<float> some_floats(std::int64_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values)
    value = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
  return values;
}

struct Shape {
  std::int64_t m, k, n;
};
// One row and few rows are dot products; the last are deeper than one round of tiles, and wider.
constexpr Shape kShapes[] = {{1, 1, 1},  {1, 7, 3},    {1, 65, 130},  {1, 768, 33},  {2, 16, 9},      {3, 31, 5},    {5, 48, 4},
                             {7, 17, 8}, {16, 15, 17}, {17, 33, 47},  {33, 16, 129}, {48, 47, 31},    {50, 64, 12},  {97, 65, 101},
                             {20, 0, 6}, {130, 1, 2},  {64, 1537, 9}, {1, 3073, 70}, {49, 1600, 137}, {16, 3080, 15}};

TEST(StoredWeights, EveryPatternIsWidenedExactly) {
  std::vector<std::uint16_t> all(65536 + 5);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = static_cast<std::uint16_t>(i);
  for_each_simd([&] {
    for (const FloatType type : kNarrowTypes) {
      std::vector<float> wide(all.size());
      widen(type, all, wide);
      for (std::size_t i = 0; i < all.size(); ++i) {
        const float expected = widened_one(type, all[i]);
        if (std::isnan(expected)) {
          ASSERT_TRUE(std::isnan(wide[i])) << i;
        } else {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), std::bit_cast<std::uint32_t>(expected))
              << float_type_name(type) << " " << i;
        }
      }
    }
  });
}

TEST(StoredWeights, LinearIsBitForBitThatOfTheWidenedMatrix) {
  for_each_simd([] {
    for (const int n_threads : {1, 3}) {
      ThreadPool pool(n_threads);
      for (const FloatType type : kNarrowTypes) {
        for (const auto& [m, k, n] : kShapes) {
          for (const std::int64_t gap : {0, 3}) {
            const Stored weight(type, n, k, gap);
            const std::vector<float> x = some_floats(m * k, 1), bias = some_floats(gap > 0 ? n : 0, 2);
            std::vector<float> expected(static_cast<std::size_t>(m * n), -1), found(expected.size(), -2);
            linear(pool, {x.data(), m, k, k}, weight.wide_view(), bias, {expected.data(), m, n, n});
            linear(pool, {x.data(), m, k, k}, weight.view(), bias, {found.data(), m, n, n});
            ASSERT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0)
                << float_type_name(type) << " " << m << "x" << k << "x" << n << " gap " << gap;
          }
        }
      }
    }
  });
}

TEST(StoredWeights, PartsOfDifferentTypesRunTogether) {
  for_each_simd([] {
    ThreadPool pool(2);
    for (const std::int64_t m : {1, 40}) {
      const std::int64_t k = 100;
      const std::vector<float> x = some_floats(m * k, 1);
      const Stored half(FloatType::kFloat16, 20, k, 1), brain(FloatType::kBFloat16, 37, k, 0);
      const std::vector<float> plain = some_floats(9 * k, 5);
      const ConstMatrixView plain_view{plain.data(), 9, k, k};
      std::vector<float> found(static_cast<std::size_t>(m * 66), -2), expected(found.size(), -1);
      const auto columns = [m](std::vector<float>& out, std::int64_t first, std::int64_t n) {
        return MatrixView{out.data() + first, m, n, 66};
      };
      const std::vector<LinearPart> parts{{half.view(), {}, columns(found, 0, 20)},
                                          {brain.view(), {}, columns(found, 20, 37)},
                                          {plain_view, {}, columns(found, 57, 9)}};
      linear(pool, {x.data(), m, k, k}, parts);
      linear(pool, {x.data(), m, k, k}, half.wide_view(), {}, columns(expected, 0, 20));
      linear(pool, {x.data(), m, k, k}, brain.wide_view(), {}, columns(expected, 20, 37));
      linear(pool, {x.data(), m, k, k}, plain_view, {}, columns(expected, 57, 9));
      EXPECT_EQ(found, expected) << m;
    }
  });
}

TEST(StoredWeights, WhatIsNoNumberStaysSo) {
  ThreadPool pool(1);
  Stored weight(FloatType::kFloat16, 3, 20, 0);
  weight.bits[4] = 0x7C00U;        // infinity
  weight.bits[20 + 19] = 0x7E00U;  // NaN, in the last place
  for (const std::int64_t m : {1, 30}) {
    const std::vector<float> x(static_cast<std::size_t>(m * 20), 1.0F);
    std::vector<float> out(static_cast<std::size_t>(m * 3));
    linear(pool, {x.data(), m, 20, 20}, weight.view(), {}, {out.data(), m, 3, 3});
    EXPECT_TRUE(std::isinf(out[0]));
    EXPECT_TRUE(std::isnan(out[1]));
    EXPECT_TRUE(std::isfinite(out[2]));
  }
}

TEST(StoredWeights, ShapesAreChecked) {
  ThreadPool pool(1);
  const Stored weight(FloatType::kBFloat16, 3, 20, 0);
  const std::vector<float> x(19);
  std::vector<float> out(3);
  EXPECT_THROW(linear(pool, {x.data(), 1, 19, 19}, weight.view(), {}, {out.data(), 1, 3, 3}), ShapeError);
}

}  // namespace
}  // namespace headroom
