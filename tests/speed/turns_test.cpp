#include "core/speed/turns.h"

#include "core/tensor/error.h"
#include "core/tensor/machine.h"
#include "tests/speed/speed_test.h"

namespace headroom {
namespace {

using testing::DoubleNear;
using testing::Optional;

TEST(Median, IsTheMiddleOrTheMeanOfTheTwoInTheMiddle) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({4, 100, 1, 3}), 3.5);
  EXPECT_EQ(median({2, 2, 2, 7}), 2);
  EXPECT_THROW(median({}), Error);
}

/// A candidate whose calls take what a list says, and then 1 s.
struct Scripted {
  std::vector<double> seconds;
  std::vector<double> limits;
  std::vector<std::string>* log;
  std::string name;

  Candidate candidate(double amount) {
    Candidate c{name,
                [this] {
                  log->push_back(name);
                  return next(seconds);
                },
                amount};
    if (!limits.empty()) {
      c.limit = [this] {
        log->push_back("limit of " + name);
        return next(limits);
      };
    }
    return c;
  }
  static double next(std::vector<double>& values) {
    if (values.empty()) return 1;
    const double value = values.front();
    values.erase(values.begin());
    return value;
  }
};

TEST(Turns, TakeTheMedianOfEachRoundsRatioWithTheLimitAroundIt) {
  ThreadPool pool(1);
  std::vector<std::string> log;
  // Two calls first, then three rounds of one call between two looks at the limit.
  Scripted a{{5, 1, 2, 1, 4}, {100, 100, 40, 60, 10, 30}, &log, "a"};
  const auto timings = measure_in_turns({a.candidate(80)}, {.pool = pool, .budget = {.seconds = 3, .rounds = 3}});
  ASSERT_EQ(timings.size(), 1u);
  EXPECT_EQ(timings[0].rounds, 3);
  EXPECT_EQ(timings[0].seconds, 2);
  // 80 / 2 / 100 = 0.4; 80 / 1 / 50 = 1.6; 80 / 4 / 20 = 1
  EXPECT_THAT(timings[0].ratio, Optional(DoubleNear(1.0, 1e-12)));
  EXPECT_THAT(timings[0].limit, Optional(50.0));
}

TEST(Turns, GoRoundAndLeaveOutWhoHasNoBudgetLeft) {
  ThreadPool pool(1);
  std::vector<std::string> log;
  Scripted a{{1, 1, 1, 1, 1, 1, 1}, {}, &log, "a"}, slow{{50, 50}, {1, 1}, &log, "slow"};
  const auto timings = measure_in_turns({a.candidate(1), slow.candidate(1)}, {.pool = pool, .budget = {.seconds = 2, .rounds = 5}});
  EXPECT_THAT(log, testing::ElementsAre("a", "a", "slow", "a", "limit of slow", "slow", "limit of slow", "a"));
  EXPECT_EQ(timings[0].rounds, 2);
  EXPECT_FALSE(timings[0].ratio.has_value());
  EXPECT_EQ(timings[1].rounds, 1);
}

TEST(Turns, CallWhatIsShortOftenInEachRound) {
  ThreadPool pool(1);
  std::vector<std::string> log;
  Scripted a{std::vector<double>(100, 0.25), {}, &log, "a"};
  const auto timings = measure_in_turns({a.candidate(1)}, {.pool = pool, .budget = {.seconds = 3, .rounds = 2}});
  EXPECT_EQ(log.size(), 2u + 2 * 6);
  EXPECT_EQ(timings[0].seconds, 0.25);
}

TEST(Turns, StopBetweenCalls) {
  ThreadPool pool(1);
  std::stop_source source;
  int calls = 0;
  const Candidate stops{"stops", [&] {
                          if (++calls == 3) source.request_stop();
                          return 0.1;
                        }};
  EXPECT_THROW(measure_in_turns({stops}, {.pool = pool, .budget = {.seconds = 10, .rounds = 5}, .stop = source.get_token()}),
               Cancelled);
  EXPECT_EQ(calls, 3);
}

TEST(MachineFacts, NameTheCompilerTheProcessorAndTheCommitThatWasSaid) {
  EXPECT_EQ(machine_facts().commit, "unknown");
  set_source_commit("abc1234");
  const MachineFacts facts = machine_facts();
  set_source_commit("unknown");
  EXPECT_EQ(facts.commit, "abc1234");
  EXPECT_THAT(facts.compiler, testing::MatchesRegex("(GCC|Clang) [0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(facts.cpu, testing::EndsWith(ThreadPool().n_threads() == 1 ? ", 1 processor" : " processors"));
  EXPECT_EQ(facts.simd, simd_name());
}

}  // namespace
}  // namespace headroom
