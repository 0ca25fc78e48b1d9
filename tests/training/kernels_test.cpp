// The arithmetic of training, each part against plain loops in double, at sizes around those of vectors and tiles.

#include "core/training/kernels.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/tensor/aligned_buffer.h"
#include "tests/training/forms.h"

namespace headroom {
namespace {

using namespace training_kernels;

constexpr float kUntouched = 777;

/// Random numbers between -1 and 1, with the spare floats behind them that kernels may read, which are not finite.
std::vector<float> numbers(std::int64_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values;
  for (std::int64_t i = 0; i < n; ++i)
    values.push_back(2 * (static_cast<float>(random()) / 4294967296.0F) - 1);
  values.resize(values.size() + 16, NAN);
  return values;
}

struct Size {
  std::int64_t m, n, k;
};
enum class Order { kPlain, kTransposed };

void expect_product(const Size& size, Order order, bool has_start, bool has_bias) {
  const auto [m, n, k] = size;
  const std::int64_t b_row = n + 3, c_row = n + 5;
  const std::vector<float> a = numbers(m * k, 1), b = numbers(k * b_row, 2), bias = numbers(n, 3);
  std::vector<float> c = numbers(m * c_row, 4);
  const std::vector<float> before = c;
  std::vector<float> scratch(static_cast<std::size_t>(scratch_size()));
  const Product product{.a = a.data(),
                        .a_row = order == Order::kPlain ? k : 1,
                        .a_col = order == Order::kPlain ? 1 : m,
                        .b = b.data(),
                        .b_row = b_row,
                        .c = c.data(),
                        .c_row = c_row,
                        .m = m,
                        .n = n,
                        .k = k,
                        .start = has_start ? c.data() : nullptr,
                        .start_row = c_row,
                        .bias = has_bias ? bias.data() : nullptr};
  multiply(product, scratch.data());
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < c_row; ++j) {
      const auto at = static_cast<std::size_t>(i * c_row + j);
      if (j >= n) {
        ASSERT_EQ(c[at], before[at]) << "beyond the row: " << m << " x " << n << " x " << k;
        continue;
      }
      double expected = has_start ? static_cast<double>(before[at]) : 0;
      if (has_bias) expected += static_cast<double>(bias[static_cast<std::size_t>(j)]);
      for (std::int64_t x = 0; x < k; ++x)
        expected += static_cast<double>(a[static_cast<std::size_t>(order == Order::kPlain ? i * k + x : x * m + i)]) *
                    static_cast<double>(b[static_cast<std::size_t>(x * b_row + j)]);
      ASSERT_NEAR(static_cast<double>(c[at]), expected, 1e-6 * static_cast<double>(k + 1))
          << m << " x " << n << " x " << k << ", at " << i << ", " << j;
    }
  }
}

TEST(TrainingProduct, OfAnySizeEqualsPlainLoops) {
  for (const std::int64_t m : {1, 2, 5, 6, 7, 13, 31, 50}) {
    for (const std::int64_t n : {1, 3, 8, 15, 16, 17, 32, 33, 48, 65}) {
      for (const std::int64_t k : {1, 2, 16, 35})
        expect_product({m, n, k}, (m + n + k) % 2 == 0 ? Order::kPlain : Order::kTransposed, m % 2 == 0, n % 2 == 0);
    }
  }
}

TEST(TrainingProduct, OfManyTilesEqualsPlainLoops) {
  for (const Order order : {Order::kPlain, Order::kTransposed}) {
    for (const Size& size : {Size{300, 70, 10}, {7, 700, 20}, {20, 30, 900}, {130, 140, 600}})
      expect_product(size, order, true, true);
  }
}

TEST(TrainingTranspose, MovesEveryElement) {
  for (const auto& [rows, cols] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {3, 17}, {16, 16}, {33, 7}, {40, 65}}) {
    const std::int64_t from_row = cols + 2, to_row = rows + 3;
    const std::vector<float> from = numbers(rows * from_row, 1);
    std::vector<float> to(static_cast<std::size_t>(cols * to_row + 16), kUntouched);
    transpose({.from = from.data(), .rows = rows, .cols = cols, .from_row = from_row, .to = to.data(), .to_row = to_row});
    for (std::int64_t c = 0; c < cols; ++c) {
      for (std::int64_t r = 0; r < rows; ++r)
        ASSERT_EQ(to[static_cast<std::size_t>(c * to_row + r)], from[static_cast<std::size_t>(r * from_row + c)]);
    }
  }
}

// Far beyond where activations live: no overflow, and slopes that end at 0 and 1.
TEST(TrainingActivation, StaysFiniteFarOut) {
  for (const MlpKind kind : {MlpKind::kGelu, MlpKind::kGeluTanh, MlpKind::kSwiGlu}) {
    const std::vector<float> far{-1e6F, -1000, -100, -40, -9, 0, 9, 40, 100, 1000, 1e6F};
    const auto n = std::ssize(far);
    const bool is_gated = kind == MlpKind::kSwiGlu;
    std::vector<float> value = far, hidden(far.size() + 16), d_hidden(far.size() + 16, 1);
    value.resize(far.size() * (is_gated ? 2 : 1), 1);  // up = 1: silu itself
    value.resize(value.size() + 16);
    activation_forward(kind, 1, n, value.data(), hidden.data());
    activation_backward(kind, 1, n, d_hidden.data(), value.data());
    for (std::size_t i = 0; i < far.size(); ++i) {
      const double expected = far[i] > 0 ? static_cast<double>(far[i]) : 0;
      EXPECT_NEAR(static_cast<double>(hidden[i]), expected, 2e-3 + 1e-6 * expected) << i;
      EXPECT_NEAR(static_cast<double>(value[i]), far[i] > 0 ? 1 : far[i] < 0 ? 0 : 0.5, 2e-3) << i;
    }
  }
}

TEST(TrainingLoss, LogitsFarApartGiveNoNan) {
  constexpr std::int64_t kVocab = 21;
  std::vector<float> logits(kVocab + 16, -1e4F);
  logits[3] = 1e4F;
  logits[7] = -3e38F;
  const std::int32_t target = 5;
  float loss = 0;
  loss_rows({.n = 1, .vocab = kVocab, .row = kVocab, .logits = logits.data(), .targets = &target, .scale = 2, .losses = &loss});
  EXPECT_NEAR(loss, 2e4F, 1);
  for (std::int64_t w = 0; w < kVocab; ++w)
    EXPECT_NEAR(logits[static_cast<std::size_t>(w)], w == 3 ? 2 : w == 5 ? -2 : 0, 1e-5F) << w;
}

}  // namespace
}  // namespace headroom
