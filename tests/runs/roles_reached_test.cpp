// What the recipes promise, counted in steps on a fixed seed, so that the machine's speed does not matter.

#include "tests/runs/testing.h"

namespace headroom {
namespace {

HeadReport after_steps(const char* recipe, std::uint64_t seed, int steps) {
  TrainPlan plan = find_recipe(recipe).plan;
  plan.seed = seed;
  ThreadPool pool(2);
  Trainer trainer = test::make(plan, pool);
  for (int i = 0; i < steps; ++i)
    EXPECT_EQ(trainer.step().divergence, "");
  return trainer.measure();
}

TEST(RolesReached, InductionInTheLettersLaboratory) {
  const HeadReport report = after_steps("induction", 1, 800);
  const RoleScore* induction = report.role("induction");
  ASSERT_NE(induction, nullptr);
  EXPECT_GE(induction->score, 0.75);
  EXPECT_TRUE(induction->names_head());
  EXPECT_FALSE(report.has_shortcut);
  EXPECT_GE(report.behaviour(Behaviour::kRandomCopying)->accuracy, 0.95);
}

TEST(RolesReached, TheSubjectAcrossADistractor) {
  const HeadReport early = after_steps("agreement", 3, 40);
  EXPECT_FALSE(early.role("subject")->names_head());
  EXPECT_LT(early.behaviour(Behaviour::kAgreementAcrossDistractor)->accuracy, 0.8);
  const HeadReport report = after_steps("agreement", 3, 600);
  EXPECT_GE(report.role("subject")->score, 0.8);
  EXPECT_TRUE(report.role("subject")->names_head());
  EXPECT_GE(report.behaviour(Behaviour::kAgreementAcrossDistractor)->accuracy, 0.95);
}

}  // namespace
}  // namespace headroom
