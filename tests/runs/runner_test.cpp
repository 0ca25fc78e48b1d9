#include "core/runs/runner.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "core/runs/checkpoint.h"
#include "tests/runs/testing.h"

namespace headroom {
namespace {

using test::assets;
using test::parameters_of;
using test::tiny_plan;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RunnerOptions options() {
  RunnerOptions made;
  made.assets = assets();
  made.n_threads = 2;
  return made;
}

/// Does not end by itself within a test.
TrainPlan endless_plan() {
  TrainPlan plan = tiny_plan();
  plan.tokens = 1'000'000'000;
  return plan;
}

/// Looks again and again until it is so, a minute at most.
template <typename Condition>
bool comes_true(const Condition& condition) {
  for (int i = 0; i < 60'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

TEST(Runner, TrainsAPlanToItsEndAsATrainerWould) {
  std::atomic<int> wakes{0};
  Runner runner(options(), [&] { ++wakes; });
  EXPECT_EQ(runner.report()->phase, RunPhase::kIdle);
  runner.start(tiny_plan());
  runner.wait();
  const auto report = runner.report();
  EXPECT_EQ(report->phase, RunPhase::kFinished);
  EXPECT_EQ(report->tokens, tiny_plan().tokens);
  EXPECT_EQ(report->steps, 40);
  EXPECT_EQ(report->failure, "");
  EXPECT_GT(wakes, 1);
  EXPECT_GT(report->training_seconds, 0);
  EXPECT_GE(report->seconds, report->training_seconds);
  ASSERT_GE(report->reports.size(), 2u);
  EXPECT_EQ(report->reports.front()->tokens, 0);
  EXPECT_EQ(report->newest()->tokens, report->tokens);
  EXPECT_EQ(report->at(1)->tokens, 0);
  EXPECT_THAT(report->losses, SizeIs(40));
  EXPECT_EQ(report->kept.front(), 0);
  EXPECT_EQ(report->kept.back(), report->tokens);

  ThreadPool pool(2);
  Trainer trainer = test::make(tiny_plan(), pool);
  while (!trainer.is_finished())
    trainer.step();
  EXPECT_EQ(runner.kept(std::nullopt)->parameters, parameters_of(trainer));
  EXPECT_DOUBLE_EQ(report->newest()->held_out_loss, trainer.measure().held_out_loss);
}

TEST(Runner, PausesStepsResumesStopsAndResets) {
  Runner runner(options(), {});
  runner.start(endless_plan());
  ASSERT_TRUE(comes_true([&] { return runner.report()->steps > 3; }));
  runner.pause();
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kPaused);
  const std::int64_t steps = runner.report()->steps;
  runner.step(5);
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kPaused);
  EXPECT_EQ(runner.report()->steps, steps + 5);
  EXPECT_EQ(runner.report()->newest()->tokens, runner.report()->tokens);
  runner.resume();
  ASSERT_TRUE(comes_true([&] { return runner.report()->steps > steps + 8; }));
  runner.stop();
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kStopped);
  EXPECT_GT(runner.report()->kept.size(), 1u);
  runner.reset();
  runner.wait();
  const auto report = runner.report();
  EXPECT_EQ(report->phase, RunPhase::kPaused);
  EXPECT_EQ(report->steps, 0);
  EXPECT_THAT(report->kept, ElementsAre(0));
  EXPECT_THAT(report->losses, IsEmpty());
  // It trains from the beginning again: the same bits.
  runner.step(7);
  runner.wait();
  ThreadPool pool(2);
  Trainer trainer = test::make(endless_plan(), pool);
  for (int i = 0; i < 7; ++i)
    trainer.step();
  EXPECT_EQ(runner.kept(std::nullopt)->parameters, parameters_of(trainer));
}

TEST(Runner, ShowsLiveKeptAndComparedFrames) {
  Runner runner(options(), {});
  runner.look({.sentence = "a b c a b", .at = std::nullopt, .compared = std::nullopt, .head = HeadRef{0, 1}});
  runner.start(tiny_plan());
  runner.wait();
  const TrainFrames live = runner.frames();
  ASSERT_TRUE(live.shown);
  EXPECT_TRUE(live.shown->is_live);
  EXPECT_EQ(live.shown->tokens, tiny_plan().tokens);
  EXPECT_EQ(live.compared, nullptr);
  ASSERT_THAT(live.shown->words, SizeIs(6));
  EXPECT_EQ(live.shown->words[0].text, "<bos>");
  EXPECT_EQ(live.shown->words[3].text, "c");
  const FrameStack* stack = live.shown->find(AttentionStack::kSelf);
  ASSERT_NE(stack, nullptr);
  ASSERT_THAT(stack->probs, SizeIs(1 * 2 * 6 * 6));
  for (int head = 0; head < 2; ++head)
    for (int q = 0; q < 6; ++q) {
      double sum = 0;
      for (int k = 0; k < 6; ++k) {
        const double p = static_cast<double>(stack->head(0, head)[q * 6 + k]);
        EXPECT_TRUE(k <= q || p == 0) << "what comes later is hidden";
        sum += p;
      }
      EXPECT_NEAR(sum, 1, 1e-5);
    }
  ASSERT_THAT(live.shown->guesses, SizeIs(6));
  EXPECT_GE(live.shown->guesses[0][0].probability, live.shown->guesses[0][1].probability);
  ASSERT_TRUE(runner.report()->ablation);
  EXPECT_EQ(runner.report()->ablation->head, (HeadRef{0, 1}));
  EXPECT_EQ(runner.report()->ablation->tokens, runner.report()->tokens);
  EXPECT_DOUBLE_EQ(runner.report()->ablation->loss_before, runner.report()->newest()->held_out_loss);

  runner.look({.sentence = "a b c a b", .at = 0, .compared = tiny_plan().tokens, .head = HeadRef{0, 0}});
  runner.wait();
  const TrainFrames sought = runner.frames();
  ASSERT_TRUE(sought.shown && sought.compared);
  EXPECT_EQ(sought.shown->tokens, 0);
  EXPECT_FALSE(sought.shown->is_live);
  EXPECT_EQ(sought.compared->tokens, tiny_plan().tokens);
  EXPECT_EQ(sought.compared->find(AttentionStack::kSelf)->probs, stack->probs);
  EXPECT_NE(sought.shown->find(AttentionStack::kSelf)->probs, stack->probs);
  EXPECT_EQ(runner.report()->ablation->tokens, 0);

  runner.look({});
  runner.wait();
  EXPECT_EQ(runner.frames().shown, nullptr);
  EXPECT_FALSE(runner.report()->ablation);
}

TEST(Runner, LookingDisturbsNoTraining) {
  Runner runner(options(), {});
  runner.start(endless_plan());
  for (int i = 0; i < 30; ++i) {
    runner.look({.sentence = i % 2 == 0 ? "a b" : "x y z", .at = i * 50, .compared = i * 20, .head = HeadRef{0, i % 2}});
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  runner.pause();
  runner.wait();
  runner.step();  // measured and kept
  runner.wait();
  const std::int64_t steps = runner.report()->steps;
  ThreadPool pool(2);
  Trainer trainer = test::make(endless_plan(), pool);
  for (std::int64_t i = 0; i < steps; ++i)
    trainer.step();
  EXPECT_EQ(runner.kept(std::nullopt)->parameters, parameters_of(trainer));
}

TEST(Runner, EncoderDecodersShowAllTheirAttentions) {
  TrainPlan plan = find_recipe("translation").plan;
  plan.form = {.kind = ModelKind::kEncoderDecoder,
               .positions = PositionKind::kLearned,
               .n_layers = 1,
               .d_model = 16,
               .n_heads = 2,
               .n_kv_heads = 2};
  plan.rows_per_step = 2;
  plan.tokens = 500;
  Runner runner(options(), {});
  runner.look({.sentence = "the cat sleeps .", .at = std::nullopt, .compared = std::nullopt, .head = std::nullopt});
  runner.start(plan);
  runner.wait();
  ASSERT_EQ(runner.report()->failure, "");
  const auto frame = runner.frames().shown;
  ASSERT_TRUE(frame);
  EXPECT_THAT(frame->source, SizeIs(4));
  EXPECT_THAT(frame->words, Not(IsEmpty()));
  ASSERT_THAT(frame->stacks, SizeIs(3));
  const FrameStack* cross = frame->find(AttentionStack::kCross);
  ASSERT_NE(cross, nullptr);
  EXPECT_EQ(cross->seq_q, std::ssize(frame->words));
  EXPECT_EQ(cross->seq_k, 4);
  double sum = 0;
  for (int k = 0; k < 4; ++k)
    sum += static_cast<double>(cross->head(0, 1)[k]);
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST(Runner, WordsThatAreNotThereAreTold) {
  TrainPlan plan = tiny_plan();
  plan.data.kind = DataKind::kGrammar;
  plan.tokens = 100;
  Runner runner(options(), {});
  runner.look({.sentence = "the cat xylophoned", .at = std::nullopt, .compared = std::nullopt, .head = HeadRef{7, 7}});
  runner.start(plan);
  runner.wait();
  auto frame = runner.frames().shown;
  ASSERT_TRUE(frame);
  EXPECT_THAT(frame->notices, ElementsAre(HasSubstr("xylophoned")));
  EXPECT_TRUE(frame->words.back().is_unknown);
  EXPECT_FALSE(runner.report()->ablation) << "there is no such head";
  std::string lengthy;
  for (int i = 0; i < 100; ++i)
    lengthy += "the cat ";
  runner.look({.sentence = lengthy, .at = std::nullopt, .compared = std::nullopt, .head = std::nullopt});
  runner.wait();
  frame = runner.frames().shown;
  EXPECT_THAT(frame->words, SizeIs(64));
  EXPECT_THAT(frame->notices, ElementsAre(HasSubstr("cut to 64")));
}

TEST(Runner, DivergenceGoesBackToTheLastGoodState) {
  TrainPlan plan = tiny_plan();
  plan.learning_rate = 1;
  plan.warmup_steps = 0;
  plan.clip_norm = 0;
  plan.tokens = 1'000'000;
  Runner runner(options(), {});
  runner.start(plan);
  runner.wait();
  const auto report = runner.report();
  EXPECT_EQ(report->phase, RunPhase::kFailed);
  EXPECT_THAT(report->failure, HasSubstr("lower the learning rate"));
  EXPECT_THAT(report->failure, HasSubstr("last good state"));
  EXPECT_EQ(report->tokens, report->kept.back());
  EXPECT_EQ(report->newest()->tokens, report->tokens);
  EXPECT_TRUE(std::isfinite(report->newest()->held_out_loss));
  for (const float value : runner.kept(std::nullopt)->parameters)
    ASSERT_TRUE(std::isfinite(value));
  runner.resume();  // what failed does not go on
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kFailed);
}

TEST(Runner, WhatCannotBeStartedSaysWhyAndLeavesTheRunThatIsThere) {
  Runner runner(options(), {});
  TrainPlan missing = find_recipe("text").plan;
  missing.data.path = "/nowhere/at/all.txt";
  runner.start(missing);
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kFailed);
  EXPECT_THAT(runner.report()->failure, HasSubstr("/nowhere/at/all.txt"));
  runner.start(tiny_plan());
  runner.wait();
  runner.start(missing);
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kFailed);
  EXPECT_EQ(runner.report()->tokens, tiny_plan().tokens);
  EXPECT_EQ(runner.kept(0)->tokens, 0);
  TrainPlan healed = tiny_plan();
  healed.start.from = StartFrom::kRun;
  Runner fresh(options(), {});
  fresh.start(healed);
  fresh.wait();
  EXPECT_THAT(fresh.report()->failure, HasSubstr("there is no run yet"));
}

TEST(Runner, AModelLargerThanMemoryIsRefused) {
  RunnerOptions small = options();
  small.free_bytes = 100'000;
  Runner runner(small, {});
  TrainPlan plan = tiny_plan();
  plan.form.d_model = 1024;
  runner.start(plan);
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kFailed);
  EXPECT_THAT(runner.report()->failure, HasSubstr("lower d_model"));
}

TEST(Runner, ImpossibleShapesAreBroughtToPossibleOnesWithReasons) {
  TrainPlan plan = tiny_plan();
  plan.form.n_heads = 7;
  plan.tokens = 64;
  Runner runner(options(), {});
  runner.start(plan);
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kFinished);
  EXPECT_EQ(runner.report()->plan.form.n_heads, 8);
  EXPECT_THAT(runner.report()->notices, ::testing::Contains(HasSubstr("h = 7 does not divide 16")));
}

TEST(Runner, AnotherPlanWhileRunningEndsTheFirst) {
  Runner runner(options(), {});
  runner.start(endless_plan());
  ASSERT_TRUE(comes_true([&] { return runner.report()->steps > 3; }));
  const std::uint64_t first = runner.report()->run;
  TrainPlan wider = tiny_plan();
  wider.form.d_model = 32;
  runner.start(wider);
  runner.wait();
  const auto report = runner.report();
  EXPECT_EQ(report->phase, RunPhase::kFinished);
  EXPECT_GT(report->run, first);
  EXPECT_EQ(report->config.shape.d_model, 32);
  EXPECT_EQ(report->kept.front(), 0);
  EXPECT_EQ(runner.kept(0)->parameters.size(), runner.kept(std::nullopt)->parameters.size());
}

TEST(Runner, HealsAModelFromAnEarlierState) {
  Runner runner(options(), {});
  TrainPlan plan = tiny_plan();
  runner.start(plan);
  runner.wait();
  const double trained = runner.report()->newest()->held_out_loss;
  TrainPlan healed = plan;
  healed.start = {.from = StartFrom::kRun, .model = "", .at = std::nullopt, .pruned = {}};
  healed.form.n_kv_heads = 1;
  healed.form.d_model = 64;  // the run's own form counts
  runner.start(healed);
  runner.wait();
  const auto report = runner.report();
  ASSERT_EQ(report->failure, "");
  EXPECT_EQ(report->phase, RunPhase::kFinished);
  EXPECT_EQ(report->config.shape.d_model, 16);
  EXPECT_EQ(report->config.shape.n_kv_heads, 1);
  ASSERT_TRUE(report->heal);
  EXPECT_DOUBLE_EQ(report->heal->loss_before, trained);
  EXPECT_DOUBLE_EQ(report->heal->loss_after, report->reports.front()->held_out_loss);
}

TEST(Runner, SavesWhatIsShown) {
  const test::TemporaryFolder folder;
  Runner runner(options(), {});
  runner.save(folder / "nothing");
  runner.wait();
  ASSERT_THAT(runner.take_saves(), ElementsAre(::testing::Field(&SaveAnswer::failure, HasSubstr("nothing to save"))));
  runner.start(tiny_plan());
  runner.wait();
  runner.save(folder / "live");
  runner.wait();
  runner.look({.sentence = "a", .at = 0, .compared = std::nullopt, .head = std::nullopt});
  runner.save(folder / "first");
  runner.save("/proc/nowhere");
  runner.wait();
  const std::vector<SaveAnswer> saves = runner.take_saves();
  ASSERT_THAT(saves, SizeIs(3));
  EXPECT_EQ(saves[0].failure, "");
  EXPECT_EQ(saves[0].tokens, tiny_plan().tokens);
  EXPECT_EQ(saves[1].failure, "");
  EXPECT_EQ(saves[1].tokens, 0);
  EXPECT_THAT(saves[2].failure, HasSubstr("/proc/nowhere"));
  EXPECT_THAT(runner.take_saves(), IsEmpty());
  EXPECT_EQ(read_checkpoint(folder / "live").state.parameters, runner.kept(std::nullopt)->parameters);
  EXPECT_EQ(open_model((folder / "first").string(), assets()).config.shape.d_model, 16);

  Runner other(options(), {});
  other.open(folder / "live");
  other.wait();
  EXPECT_EQ(other.report()->phase, RunPhase::kFinished);
  EXPECT_EQ(other.report()->tokens, tiny_plan().tokens);
}

TEST(Runner, ASleepingMachineIsNoTraining) {
  // A clock that goes on by 10 ms each time it is looked at, and once by an hour.
  std::atomic<std::int64_t> ticks{0};
  RunnerOptions with_clock = options();
  with_clock.clock = [&] {
    const std::int64_t n = ++ticks;
    return 0.01 * static_cast<double>(n) + (n > 150 ? 3600 : 0);
  };
  Runner runner(with_clock, {});
  runner.start(tiny_plan());
  runner.wait();
  EXPECT_GT(ticks, 160);
  EXPECT_GT(runner.report()->training_seconds, 0.3);
  EXPECT_LT(runner.report()->training_seconds, 1);
  EXPECT_LT(runner.report()->seconds, 10);
  EXPECT_GT(runner.report()->tokens_per_second, 1000);
}

TEST(Runner, EndsWithinAStepWhateverItDoes) {
  for (int delay = 0; delay < 12; delay += 3) {
    Runner runner(options(), {});
    runner.look({.sentence = "a b c", .at = std::nullopt, .compared = std::nullopt, .head = HeadRef{0, 0}});
    runner.start(endless_plan());
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
  }
}

TEST(Runner, WishesInAnyOrderFromAFastHand) {
  const test::TemporaryFolder folder;
  Runner runner(options(), {});
  for (int i = 0; i < 25; ++i) {
    runner.start(endless_plan());
    runner.look({.sentence = "a b",
                 .at = i % 3 == 0 ? std::optional<std::int64_t>(100) : std::nullopt,
                 .compared = 0,
                 .head = HeadRef{0, 0}});
    runner.pause();
    runner.set_speed(i % 2 == 0 ? 0.5 : 1);
    runner.resume();
    runner.step(2);
    if (i % 5 == 0) runner.save(folder / "run");
    if (i % 4 == 1) runner.stop();
    if (i % 4 == 2) runner.reset();
    if (i % 3 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_NE(runner.report(), nullptr);
    runner.frames();
    runner.kept(i);
  }
  runner.start(tiny_plan());
  runner.set_speed(1);
  runner.wait();
  EXPECT_EQ(runner.report()->phase, RunPhase::kFinished);
  EXPECT_EQ(runner.report()->tokens, tiny_plan().tokens);
}

}  // namespace
}  // namespace headroom
