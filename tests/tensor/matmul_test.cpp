#include "core/tensor/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/tensor/error.h"
#include "core/tensor/machine.h"
#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

constexpr float kMarker = -777.25F;

/// A matrix whose rows lie `gap` elements apart, the gaps filled with a marker.
struct Matrix {
  std::vector<float> memory;
  std::int64_t rows, cols, stride;

  Matrix(std::int64_t r, std::int64_t c, std::int64_t gap, std::uint32_t seed) : rows(r), cols(c), stride(c + gap) {
    memory.assign(static_cast<std::size_t>(rows * stride + 1), kMarker);
    std::mt19937 random(seed);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < cols; ++j) {
        (*this)(i, j) = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
      }
    }
  }
  float& operator()(std::int64_t i, std::int64_t j) { return memory[static_cast<std::size_t>(i * stride + j)]; }
  MatrixView view() { return {memory.data(), rows, cols, stride}; }
  bool gaps_are_intact() {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = cols; j < stride; ++j) {
        if ((*this)(i, j) != kMarker) return false;
      }
    }
    return memory.back() == kMarker;
  }
};

enum class WithBias { kNo, kYes };

struct Shape {
  std::int64_t m, k, n;
};

/// n rounded products of values below 1 and their sums: the error of float32 grows with the number of terms.
double tolerance(std::int64_t k) { return 1e-6 + 1.2e-7 * static_cast<double>(k); }

void check_linear(ThreadPool& pool, const Shape& s, std::int64_t gap, WithBias with_bias) {
  Matrix x(s.m, s.k, gap, 1), weight(s.n, s.k, gap, 2), out(s.m, s.n, gap, 3), bias(1, s.n, 0, 4);
  const std::span<const float> biases(bias.memory.data(), with_bias == WithBias::kYes ? static_cast<std::size_t>(s.n) : 0);
  linear(pool, x.view(), weight.view(), biases, out.view());
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t o = 0; o < s.n; ++o) {
      double expected = biases.empty() ? 0.0 : static_cast<double>(biases[static_cast<std::size_t>(o)]);
      for (std::int64_t c = 0; c < s.k; ++c) {
        expected += static_cast<double>(x(i, c)) * static_cast<double>(weight(o, c));
      }
      ASSERT_NEAR(out(i, o), expected, tolerance(s.k)) << s.m << "x" << s.k << "x" << s.n << " at " << i << ", " << o;
    }
  }
  EXPECT_TRUE(out.gaps_are_intact()) << s.m << "x" << s.k << "x" << s.n;
}

void check_matmul(ThreadPool& pool, const Shape& s, std::int64_t gap) {
  Matrix a(s.m, s.k, gap, 1), b(s.k, s.n, gap, 2), out(s.m, s.n, gap, 3);
  matmul(pool, a.view(), b.view(), out.view());
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      double expected = 0;
      for (std::int64_t c = 0; c < s.k; ++c) {
        expected += static_cast<double>(a(i, c)) * static_cast<double>(b(c, j));
      }
      ASSERT_NEAR(out(i, j), expected, tolerance(s.k)) << s.m << "x" << s.k << "x" << s.n << " at " << i << ", " << j;
    }
  }
  EXPECT_TRUE(out.gaps_are_intact()) << s.m << "x" << s.k << "x" << s.n;
}

const std::vector<Shape> kRaggedShapes{{1, 1, 1},       {1, 7, 1},      {1, 64, 300}, {2, 3, 5},    {3, 1, 7},    {7, 5, 8},
                                       {8, 8, 8},       {9, 17, 9},     {15, 31, 16}, {16, 64, 15}, {17, 33, 47}, {31, 2, 49},
                                       {32, 96, 33},    {33, 1, 65},    {47, 48, 10}, {48, 48, 48}, {49, 3, 50},  {95, 40, 96},
                                       {97, 65, 101},   {10, 128, 384}, {144, 20, 7}, {1, 500, 2},  {300, 1, 1},  {5, 0, 4},
                                       {128, 100, 127}, {150, 701, 37}};

TEST(Linear, EqualsDoubleLoopsOnRaggedShapes) {
  for_each_simd([] {
    for (const int n_threads : {1, 3}) {
      ThreadPool pool(n_threads);
      for (const Shape& shape : kRaggedShapes) {
        check_linear(pool, shape, 0, WithBias::kNo);
        check_linear(pool, shape, 5, WithBias::kYes);
      }
    }
  });
}

TEST(Matmul, EqualsDoubleLoopsOnRaggedShapes) {
  for_each_simd([] {
    for (const int n_threads : {1, 3}) {
      ThreadPool pool(n_threads);
      for (const Shape& shape : kRaggedShapes) {
        check_matmul(pool, shape, 0);
        check_matmul(pool, shape, 3);
      }
    }
  });
}

TEST(LinearParts, EachPartIsWhatItIsAlone) {
  for_each_simd([] {
    for (const int n_threads : {1, 3}) {
      ThreadPool pool(n_threads);
      for (const std::int64_t n : {1, 2, 5, 17, 50, 130}) {
        const std::int64_t widths[] = {33, 0, 96, 7};
        Matrix x(n, 65, 2, 1), bias(1, 96, 0, 9);
        std::vector<Matrix> weights, alone, together;
        std::vector<LinearPart> parts;
        for (std::uint32_t i = 0; i < 4; ++i) {
          weights.emplace_back(widths[i], 65, 3, 20 + i);
          alone.emplace_back(n, widths[i], 4, 3);
          together.emplace_back(n, widths[i], 4, 3);
        }
        for (std::size_t i = 0; i < 4; ++i) {
          const std::span<const float> biases(bias.memory.data(), i == 3 ? 0 : static_cast<std::size_t>(widths[i]));
          parts.push_back({weights[i].view(), biases, together[i].view()});
          linear(pool, x.view(), weights[i].view(), biases, alone[i].view());
        }
        linear(pool, x.view(), parts);
        for (std::size_t i = 0; i < 4; ++i) {
          EXPECT_EQ(together[i].memory, alone[i].memory) << "part " << i << " of " << n << " rows";
        }
      }
    }
  });
}

TEST(LinearParts, RefusesAPartThatDisagreesAndWritesNothing) {
  ThreadPool pool(1);
  Matrix x(2, 3, 0, 1), weight(4, 3, 0, 2), thin(4, 2, 0, 3), first(2, 4, 0, 4), second(2, 4, 0, 4);
  const std::vector<float> before = first.memory;
  const LinearPart parts[] = {{weight.view(), {}, first.view()}, {thin.view(), {}, second.view()}};
  EXPECT_THROW(linear(pool, x.view(), parts), ShapeError);
  EXPECT_EQ(first.memory, before);
  linear(pool, x.view(), std::span<const LinearPart>());
}

TEST(Linear, NoRowsAreNoWork) {
  ThreadPool pool(2);
  Matrix weight(4, 3, 0, 1);
  linear(pool, {nullptr, 0, 3, 3}, weight.view(), {}, {nullptr, 0, 4, 4});
}

TEST(Linear, AThreadMoreOrLessChangesNoBit) {
  Matrix x(100, 90, 0, 1), weight(110, 90, 0, 2), one(100, 110, 0, 3), three(100, 110, 0, 4);
  ThreadPool pool_of_one(1), pool_of_three(3);
  linear(pool_of_one, x.view(), weight.view(), {}, one.view());
  linear(pool_of_three, x.view(), weight.view(), {}, three.view());
  EXPECT_EQ(one.memory, three.memory);
}

TEST(Linear, RefusesShapesThatDisagree) {
  ThreadPool pool(1);
  Matrix x(2, 3, 0, 1), weight(4, 3, 0, 2), out(2, 4, 0, 3), thin(4, 2, 0, 4);
  const std::vector<float> bias(3);
  EXPECT_THROW(linear(pool, x.view(), thin.view(), {}, out.view()), ShapeError);
  EXPECT_THROW(linear(pool, x.view(), weight.view(), {}, x.view()), ShapeError);
  EXPECT_THROW(linear(pool, x.view(), weight.view(), bias, out.view()), ShapeError);
  EXPECT_THROW(matmul(pool, x.view(), weight.view(), out.view()), ShapeError);
  EXPECT_THROW(matmul(pool, x.view(), Matrix(3, 4, 0, 5).view(), x.view()), ShapeError);
}

TEST(Dot, EqualsTheSumOfProducts) {
  for_each_simd([] {
    for (std::int64_t n = 0; n < 140; ++n) {
      Matrix a(1, n, 0, 1), b(1, n, 0, 2);
      double expected = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        expected += static_cast<double>(a(0, i)) * static_cast<double>(b(0, i));
      }
      const auto size = static_cast<std::size_t>(n);
      EXPECT_NEAR(dot({a.memory.data(), size}, {b.memory.data(), size}), expected, tolerance(n));
    }
  });
  EXPECT_THROW(dot(std::vector<float>(2), std::vector<float>(3)), ShapeError);
}

TEST(Simd, HasAName) { EXPECT_GT(std::strlen(simd_name()), 0U); }

}  // namespace
}  // namespace headroom
