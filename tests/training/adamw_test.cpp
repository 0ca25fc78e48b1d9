#include "core/training/adamw.h"

#include <cmath>
#include <limits>

#include "core/tensor/error.h"
#include "tests/training/forms.h"
#include "tests/training/golden.h"

namespace headroom {
namespace {

/// The model whose slots the golden steps are of.
ModelConfig tiny() {
  ModelConfig config = test::form("qwen2");
  config.shape = {1, 4, 1, 1, 4, 8, 5, 16};
  return config;
}

constexpr int kSteps = 5;

// Learning rates reach 5e-2; float32 moments keep an update right to a few parts in a million.
constexpr double kTolerance = 2e-6;

TEST(AdamW, FiveStepsWithClippingEqualPyTorch) {
  const test::TrainingGolden golden;
  const ParameterLayout layout(tiny());
  ThreadPool pool(2);
  AdamW optimiser(layout, {});
  std::vector<float> parameters = golden.row(layout, "adamw.parameter.");
  const std::vector<float> rates = golden.floats("adamw.rates"), norms = golden.floats("adamw.norms");
  for (std::size_t n = 0; n < kSteps; ++n) {
    const std::string step = "adamw." + std::to_string(n) + ".";
    const double norm = optimiser.step(pool, parameters, golden.row(layout, step + "gradient."), rates.at(n));
    EXPECT_NEAR(norm, static_cast<double>(norms.at(n)), 1e-6 * static_cast<double>(norms.at(n)));
    const std::vector<float> expected = golden.row(layout, step + "parameter.");
    for (std::size_t i = 0; i < parameters.size(); ++i)
      ASSERT_NEAR(static_cast<double>(parameters[i]), static_cast<double>(expected[i]), kTolerance) << "step " << n << ", " << i;
  }
  EXPECT_EQ(optimiser.n_steps(), kSteps);
}

/// Ten gradients that differ by step and by place.
std::vector<float> gradient_of(const ParameterLayout& layout, std::uint32_t step) {
  std::vector<float> gradient = test::stirred_parameters(layout, step + 1);
  for (float& value : gradient)
    value *= static_cast<float>(step + 1);
  return gradient;
}

TEST(AdamW, GoesOnExactlyWhereItStopped) {
  const ParameterLayout layout(test::form("bart"));
  ThreadPool pool(2);
  AdamW whole(layout, {}), first(layout, {}), second(layout, {});
  std::vector<float> straight = test::stirred_parameters(layout, 9), resumed = straight;
  for (std::uint32_t n = 0; n < 6; ++n) {
    whole.step(pool, straight, gradient_of(layout, n), 1e-2F);
    if (n == 3) second.restore(first.first_moments(), first.second_moments(), first.n_steps());
    (n < 3 ? first : second).step(pool, resumed, gradient_of(layout, n), 1e-2F);
  }
  EXPECT_EQ(straight, resumed);
  EXPECT_EQ(second.n_steps(), 6);
  const std::vector<float> wrong(3);
  EXPECT_THROW(second.restore(wrong, wrong, 1), ShapeError);
}

TEST(AdamW, AGradientThatIsNotFiniteChangesNothing) {
  const ParameterLayout layout(test::form("qwen2"));
  ThreadPool pool(2);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    AdamW optimiser(layout, {}), untouched(layout, {});
    std::vector<float> parameters = test::stirred_parameters(layout, 9), same = parameters;
    optimiser.step(pool, parameters, gradient_of(layout, 0), 1e-2F);
    untouched.step(pool, same, gradient_of(layout, 0), 1e-2F);
    std::vector<float> gradient = gradient_of(layout, 1);
    gradient[static_cast<std::size_t>(layout.slot("layers.1.w_down").offset + 7)] = bad;
    EXPECT_FALSE(std::isfinite(optimiser.step(pool, parameters, gradient, 1e-2F)));
    EXPECT_EQ(parameters, same);
    EXPECT_EQ(optimiser.n_steps(), 1);
    // And the next good step is as if the bad one had not been.
    optimiser.step(pool, parameters, gradient_of(layout, 2), 1e-2F);
    untouched.step(pool, same, gradient_of(layout, 2), 1e-2F);
    EXPECT_EQ(parameters, same);
  }
}

TEST(AdamW, WithoutAClipTheStepIsOfTheWholeGradient) {
  const ParameterLayout layout(tiny());
  ThreadPool pool(1);
  const std::vector<float> before = test::stirred_parameters(layout, 9), gradient = gradient_of(layout, 4);
  const auto after = [&](const AdamWOptions& options, float size) {
    AdamW optimiser(layout, options);
    std::vector<float> parameters = before, scaled = gradient;
    for (float& value : scaled)
      value *= size;
    optimiser.step(pool, parameters, scaled, 1e-2F);
    optimiser.step(pool, parameters, gradient, 1e-2F);
    return parameters;
  };
  // Two steps of unlike sizes: their moments mix otherwise when both are cut to the same norm.
  EXPECT_NE(after({.clip_norm = 1}, 10), after({.clip_norm = 0}, 10));
  EXPECT_EQ(after({.clip_norm = 0}, 10), after({.clip_norm = 1e9F}, 10));
}

TEST(AdamW, GapsBetweenSlotsStayZero) {
  const ParameterLayout layout(test::form("gpt2"));
  ThreadPool pool(2);
  AdamW optimiser(layout, {});
  std::vector<float> parameters = draw_parameters(layout, 1);
  optimiser.step(pool, parameters, gradient_of(layout, 0), 1e-2F);
  for (const ParameterSlot& slot : layout.slots())
    std::fill_n(parameters.begin() + slot.offset, slot.size(), 0.0F);
  EXPECT_EQ(parameters, std::vector<float>(parameters.size()));
}

TEST(AdamW, TheSameThreadsGiveTheSameBits) {
  const ParameterLayout layout(test::form("bert"));
  for (const int threads : {1, 2, 3}) {
    std::vector<float> first;
    for (int run = 0; run < 2; ++run) {
      ThreadPool pool(threads);
      AdamW optimiser(layout, {});
      std::vector<float> parameters = draw_parameters(layout, 1);
      for (std::uint32_t n = 0; n < 3; ++n)
        optimiser.step(pool, parameters, gradient_of(layout, n), 1e-2F);
      if (run == 0) first = parameters;
      EXPECT_EQ(first, parameters) << threads;
    }
  }
}

}  // namespace
}  // namespace headroom
