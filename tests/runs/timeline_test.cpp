#include "core/runs/timeline.h"

#include <cmath>

#include "core/runs/step_clock.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

KeptState state(std::int64_t tokens, std::size_t floats = 256) {
  return {.tokens = tokens,
          .steps = tokens / 10,
          .parameters = std::vector<float>(floats, static_cast<float>(tokens)),
          .report = nullptr};
}

TEST(Timeline, KeepsEverythingWithinItsBudget) {
  Timeline timeline(10 * 1024);
  EXPECT_EQ(timeline.nearest(5), nullptr);
  for (std::int64_t tokens = 0; tokens < 10; ++tokens)
    timeline.keep(state(tokens * 100));
  EXPECT_EQ(timeline.states().size(), 10u);
  EXPECT_EQ(timeline.bytes(), 10 * 1024);
  timeline.keep(state(1000));
  EXPECT_EQ(timeline.states().size(), 10u);
  EXPECT_LE(timeline.bytes(), timeline.budget_bytes());
}

TEST(Timeline, FindsTheNearestStateTheEarlierOfEquals) {
  Timeline timeline;
  for (const std::int64_t tokens : {0, 100, 300})
    timeline.keep(state(tokens));
  EXPECT_EQ(timeline.nearest(-7)->tokens, 0);
  EXPECT_EQ(timeline.nearest(50)->tokens, 0);
  EXPECT_EQ(timeline.nearest(51)->tokens, 100);
  EXPECT_EQ(timeline.nearest(199)->tokens, 100);
  EXPECT_EQ(timeline.nearest(1'000'000)->tokens, 300);
  EXPECT_EQ(timeline.nearest(300)->parameters, std::vector<float>(256, 300.0F));
  EXPECT_EQ(nearest_state(timeline.states(), std::nullopt)->tokens, 300);
}

TEST(Timeline, ThinsEvenlyAndKeepsBothEnds) {
  Timeline timeline(20 * 1024);
  for (std::int64_t tokens = 0; tokens <= 100'000; tokens += 100)
    if (timeline.wants(tokens)) timeline.keep(state(tokens));
  const std::vector<std::int64_t> kept = timeline.tokens();
  EXPECT_LE(kept.size(), 20u);
  EXPECT_GE(kept.size(), 15u);
  EXPECT_EQ(kept.front(), 0);
  EXPECT_GE(kept.back(), 85'000);
  // On the scale of sqrt(tokens) no gap is much larger than the mean one.
  const double mean = std::sqrt(static_cast<double>(kept.back())) / static_cast<double>(kept.size() - 1);
  for (std::size_t i = 1; i < kept.size(); ++i)
    EXPECT_LE(std::sqrt(static_cast<double>(kept[i])) - std::sqrt(static_cast<double>(kept[i - 1])), 2.6 * mean) << kept[i];
}

TEST(Timeline, AStateLargerThanTheBudgetStillLeavesTwoEnds) {
  Timeline timeline(100);
  for (const std::int64_t tokens : {0, 10, 20, 30})
    timeline.keep(state(tokens));
  EXPECT_THAT(timeline.tokens(), ElementsAre(0, 30));
}

TEST(Timeline, GoesForwardOnlyAndCanBeCut) {
  Timeline timeline;
  for (const std::int64_t tokens : {0, 100, 200})
    timeline.keep(state(tokens));
  EXPECT_THROW(timeline.keep(state(200)), ShapeError);
  EXPECT_FALSE(timeline.wants(200));
  timeline.drop_after(100);
  EXPECT_THAT(timeline.tokens(), ElementsAre(0, 100));
  EXPECT_EQ(timeline.bytes(), 2 * 1024);
  timeline.clear();
  EXPECT_THAT(timeline.tokens(), IsEmpty());
  EXPECT_EQ(timeline.bytes(), 0);
}

TEST(StepClock, AGapIsNoWork) {
  StepClock clock;
  for (int i = 0; i < 100; ++i)
    clock.add(0.01);
  clock.add(3600);  // the machine slept
  EXPECT_NEAR(clock.total(), 1.01, 1e-9);
  clock.add(0.05);  // slow, but work
  EXPECT_NEAR(clock.total(), 1.06, 1e-9);
  clock.add(-5);  // a clock that was set back
  EXPECT_NEAR(clock.total(), 1.06, 1e-9);
}

TEST(StepClock, SlowStepsCountInFull) {
  StepClock clock;
  clock.add(30);
  clock.add(45);
  EXPECT_DOUBLE_EQ(clock.total(), 75);
}

TEST(CostBudget, KeepsToItsShare) {
  CostBudget budget(0.05);
  double training = 0;
  for (int i = 0; i < 10'000; ++i) {
    training += 0.001;
    if (budget.affords(training)) budget.spend(0.02);
  }
  EXPECT_LE(budget.spent(), 0.05 * training);
  EXPECT_GE(budget.spent(), 0.04 * training);
}

}  // namespace
}  // namespace headroom
