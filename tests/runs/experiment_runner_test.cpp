// Experiments on a thread of their own.

#include <atomic>
#include <thread>

#include "core/runs/experiment.h"
#include "tests/runs/testing.h"

namespace headroom {
namespace {

using test::assets;
using ::testing::HasSubstr;

TEST(ExperimentRunner, GivesWhatADirectRunGives) {
  std::atomic<int> n_woken = 0;
  ExperimentRunner runner(assets(), 2, [&] { ++n_woken; });
  EXPECT_FALSE(runner.status().is_running);
  EXPECT_EQ(runner.status().result, nullptr);
  const ExperimentPlan plan{.id = "distil", .tokens = 1500, .n_seeds = 1};
  runner.start(plan);
  EXPECT_TRUE(runner.status().is_running);
  runner.wait();
  const ExperimentRunner::Status status = runner.status();
  EXPECT_FALSE(status.is_running);
  EXPECT_EQ(status.failure, "");
  ASSERT_TRUE(status.result);
  ThreadPool pool(2);
  EXPECT_EQ(experiment_csv(*status.result), experiment_csv(run_experiment(plan, assets(), pool)));
  EXPECT_EQ(status.result->progress, 1);
  EXPECT_GE(n_woken.load(), 3 + 1);
}

TEST(ExperimentRunner, SaysWhyItFailed) {
  ExperimentRunner runner(assets(), 1, {});
  runner.start({.id = "heds"});
  runner.wait();
  EXPECT_THAT(runner.status().failure, HasSubstr("the nearest is \"heads\""));
  EXPECT_EQ(runner.status().result, nullptr);
  runner.start({.id = "distil", .tokens = 10, .n_seeds = 1});  // the failure of the last one is gone
  EXPECT_EQ(runner.status().failure, "");
  runner.wait();
  EXPECT_EQ(runner.status().failure, "");
  ASSERT_TRUE(runner.status().result);
}

ExperimentPlan endless(const std::string& id) { return {.id = id, .tokens = 1'000'000'000, .n_seeds = 20}; }

void await_result(const ExperimentRunner& runner) {
  while (!runner.status().result)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(ExperimentRunner, CancelKeepsWhatThereIs) {
  ExperimentRunner runner(assets(), 2, {});
  runner.start(endless("heads"));
  await_result(runner);
  runner.cancel();
  runner.wait();
  const ExperimentRunner::Status status = runner.status();
  EXPECT_FALSE(status.is_running);
  EXPECT_EQ(status.failure, "");
  ASSERT_TRUE(status.result);
  EXPECT_LT(status.result->progress, 1);
  EXPECT_EQ(status.result->conclusion, "");
  runner.cancel();  // of nothing
  EXPECT_FALSE(runner.status().is_running);
}

TEST(ExperimentRunner, TheNewestWishCounts) {
  ExperimentRunner runner(assets(), 2, {});
  runner.start(endless("heads"));
  await_result(runner);
  for (const char* id : {"sharing", "width_depth", "heads"})
    runner.start(endless(id));
  const ExperimentPlan last{.id = "distil", .tokens = 10, .n_seeds = 1};
  runner.start(last);
  while (true) {
    const ExperimentRunner::Status status = runner.status();
    if (status.result) {
      EXPECT_EQ(status.result->id, "distil");  // nothing of those before it
    }
    if (!status.is_running) break;
    std::this_thread::yield();
  }
  ASSERT_TRUE(runner.status().result);
  ThreadPool pool(2);
  EXPECT_EQ(experiment_csv(*runner.status().result), experiment_csv(run_experiment(last, assets(), pool)));
}

TEST(ExperimentRunner, HastyHandsAndEarlyEnds) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> n_woken = 0;
    ExperimentRunner runner(assets(), 2, [&] { ++n_woken; });
    runner.start(endless(i % 2 == 0 ? "sharing" : "prune_small"));
    if (i % 4 == 1) runner.cancel();
    if (i % 4 == 2) std::this_thread::sleep_for(std::chrono::milliseconds(i));
    if (i % 4 == 3) {
      runner.cancel();
      runner.start(endless("distil"));
      runner.cancel();
      runner.wait();
      EXPECT_FALSE(runner.status().is_running);
    }
    runner.start(endless("heads"));  // and gone while it runs
  }
}

}  // namespace
}  // namespace headroom
