#include "core/tensor/power_fit.h"

#include <gtest/gtest.h>

#include <cmath>

namespace headroom {
namespace {

TEST(FitPower, FindsTheExponentOfAPower) {
  const std::vector<double> x{10, 20, 40, 80};
  std::vector<double> y;
  for (const double value : x)
    y.push_back(3 * std::pow(value, 1.7));
  const auto fit = fit_power(x, y, 4);
  ASSERT_TRUE(fit.has_value());
  EXPECT_NEAR(fit->exponent, 1.7, 1e-12);
  EXPECT_NEAR(fit->factor, 3, 1e-10);
  EXPECT_EQ(fit->n_points, 4);
}

TEST(FitPower, LooksAtTheLargestPointsOnlyWhateverTheirOrder) {
  // Constant for small x, a square for large x.
  const auto fit = fit_power({400, 1, 200, 2, 100}, {16, 5, 4, 5, 1}, 3);
  ASSERT_TRUE(fit.has_value());
  EXPECT_NEAR(fit->exponent, 2, 1e-12);
  EXPECT_EQ(fit->n_points, 3);
}

TEST(FitPower, IsLeastSquaresWherePointsScatter) {
  // log2 x = 0, 1, 2 and log2 y = 0, 2, 2: slope 1, intercept 1/3.
  const auto fit = fit_power({1, 2, 4}, {1, 4, 4}, 3);
  ASSERT_TRUE(fit.has_value());
  EXPECT_NEAR(fit->exponent, 1, 1e-12);
  EXPECT_NEAR(fit->factor, std::exp2(1.0 / 3), 1e-12);
}

TEST(FitPower, SaysNothingWhereNothingCanBeSaid) {
  EXPECT_EQ(fit_power({}, {}, 3), std::nullopt);
  EXPECT_EQ(fit_power({5}, {1}, 3), std::nullopt);
  EXPECT_EQ(fit_power({5, 5}, {1, 2}, 3), std::nullopt);
  EXPECT_EQ(fit_power({5, 6}, {0, 2}, 3), std::nullopt);
  EXPECT_EQ(fit_power({5, 6}, {1, std::nan("")}, 3), std::nullopt);
}

}  // namespace
}  // namespace headroom
