#include "core/model/elementwise.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cmath>
#include <vector>

namespace headroom {
namespace {

std::vector<float> some_values(std::size_t n) {
  std::vector<float> values;
  for (std::size_t i = 0; i < n; ++i)
    values.push_back(9 * std::sin(static_cast<float>(i * i + 1)));
  return values;
}

/// Runs `body` once on each instruction set that this processor has.
template <typename Body>
void on_every_target(const Body& body) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(Swiglu, AgreesWithDoubleAtEverySize) {
  on_every_target([] {
    for (std::size_t n = 0; n < 70; ++n) {
      const std::vector<float> before = some_values(n), up = some_values(n + 3);
      std::vector<float> gate = before;
      gate.push_back(7);
      swiglu(std::span(gate).first(n), std::span(up).first(n));
      for (std::size_t i = 0; i < n; ++i) {
        const double x = before[i];
        EXPECT_NEAR(gate[i], x / (1 + std::exp(-x)) * static_cast<double>(up[i]), 4e-5) << n << " " << i;
      }
      EXPECT_EQ(gate[n], 7) << "wrote past the end";
    }
  });
}

TEST(Swiglu, HoldsFarOut) {
  std::vector<float> gate{1000, -1000, 0, NAN};
  swiglu(gate, std::vector<float>{2, 2, 2, 2});
  EXPECT_FLOAT_EQ(gate[0], 2000);
  EXPECT_NEAR(gate[1], 0, 1e-30);
  EXPECT_EQ(gate[2], 0);
  EXPECT_TRUE(std::isnan(gate[3]));
}

TEST(SumExp, AgreesWithDoubleAtEverySize) {
  on_every_target([] {
    for (std::size_t n = 0; n < 100; ++n) {
      const std::vector<float> values = some_values(n);
      double sum = 0;
      for (const float x : values)
        sum += std::exp(static_cast<double>(x) - 9);
      EXPECT_NEAR(sum_exp(values, 9), sum, 1e-6 * (sum + 1e-3)) << n;
    }
  });
}

}  // namespace
}  // namespace headroom
