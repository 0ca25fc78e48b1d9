#include "core/model/exp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace headroom {
namespace {

TEST(ExpFast, IsWithinItsStatedErrorOverItsWholeRange) {
  double largest = 0;
  for (double x = -87; x <= 88; x += 1.0 / 1024 + 1e-7) {
    const float rounded = static_cast<float>(x);
    const double exact = std::exp(static_cast<double>(rounded));
    largest = std::max(largest, std::abs(static_cast<double>(exp_fast(rounded)) - exact) / exact);
  }
  EXPECT_LT(largest, 3e-7);
  RecordProperty("largest_relative_error", std::to_string(largest));
}

TEST(ExpFast, HoldsAtTheEnds) {
  EXPECT_EQ(exp_fast(0), 1);
  EXPECT_GE(exp_fast(-std::numeric_limits<float>::infinity()), 0);
  EXPECT_LT(exp_fast(-std::numeric_limits<float>::infinity()), 1e-37f);
  EXPECT_GT(exp_fast(std::numeric_limits<float>::infinity()), 1e38f);
  EXPECT_TRUE(std::isfinite(exp_fast(1e30f)));
  EXPECT_TRUE(std::isnan(exp_fast(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace
}  // namespace headroom
