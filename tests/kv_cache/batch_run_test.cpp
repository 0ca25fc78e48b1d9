#include "core/kv_cache/batch_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr double kMib = 1048576;

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// A plan whose memory holds exactly so many tokens of 1 KiB.
BatchPlan plan_of(std::int64_t n_tokens) {
  BatchPlan plan;
  plan.memory_mib = static_cast<double>(n_tokens) / 1024;
  return plan;
}

/// What must hold of any run, looked at from the stints alone.
void check_side(const BatchRun& run, const BatchSide& side) {
  const std::int64_t n_prefix_pages = run.plan.shared_prefix / side.page_rows;
  EXPECT_EQ(side.page_bytes, side.page_rows * run.token_bytes);
  EXPECT_LE(static_cast<double>(side.n_pages * side.page_bytes), run.plan.memory_mib * kMib);
  EXPECT_GT(static_cast<double>((side.n_pages + 1) * side.page_bytes), run.plan.memory_mib * kMib);

  std::map<std::int64_t, std::int64_t> n_written;
  std::int64_t last_new = -1, n_preempted = 0;
  for (const BatchStint& stint : side.stints) {
    const BatchRequest& request = run.requests[static_cast<std::size_t>(stint.request)];
    EXPECT_GE(stint.first_step, request.arrival);
    EXPECT_EQ(stint.n_tokens, request.prompt + n_written[stint.request]) << "what was written is read again";
    if (stint.request > last_new && side.n_refused == 0) {
      EXPECT_EQ(stint.request, last_new + 1) << "one was overtaken";
    }
    last_new = std::max(last_new, stint.request);
    n_written[stint.request] += stint.last_step - stint.first_step + 1;
  }
  for (const auto& [request, n] : n_written)
    EXPECT_EQ(n, run.requests[static_cast<std::size_t>(request)].answer) << "request " << request;
  EXPECT_EQ(std::ssize(n_written) + side.n_refused, std::ssize(run.requests));
  EXPECT_EQ(side.n_finished + side.n_refused, std::ssize(run.requests));

  for (std::int64_t at = 0; at < std::ssize(side.steps); ++at) {
    const BatchStep& step = side.steps[static_cast<std::size_t>(at)];
    std::map<PageId, std::set<std::int64_t>> holders;
    std::map<PageId, std::int64_t> rows;
    std::int64_t n_running = 0, n_tokens = 0;
    for (const BatchStint& stint : side.stints) {
      if (stint.first_step > at || stint.last_step < at) continue;
      ++n_running;
      const std::int64_t tokens = stint.n_tokens_at(at), n_pages = (tokens + side.page_rows - 1) / side.page_rows;
      n_tokens += tokens;
      ASSERT_GE(std::ssize(stint.pages), n_pages);
      for (std::int64_t page = 0; page < n_pages; ++page) {
        const PageId id = stint.pages[static_cast<std::size_t>(page)];
        ASSERT_LT(id, side.n_pages);
        EXPECT_TRUE(holders[id].empty() || page < n_prefix_pages) << "a page that is not of the beginning has two holders";
        holders[id].insert(stint.request);
        rows[id] = std::min(side.page_rows, tokens - page * side.page_rows);
      }
    }
    std::int64_t used = 0;
    for (const auto& [id, n] : rows)
      used += n;
    EXPECT_EQ(step.n_running, n_running);
    EXPECT_EQ(step.reserved, std::ssize(holders) * side.page_bytes);
    EXPECT_EQ(step.used, used * run.token_bytes);
    EXPECT_EQ(step.shared, (n_tokens - used) * run.token_bytes);
    EXPECT_LE(std::ssize(holders), side.n_pages);
    EXPECT_LT(step.wasted(), std::max<std::int64_t>(n_running, 1) * side.page_bytes) << "a page or more of a request is empty";
    n_preempted += step.n_preempted;

    std::vector<BatchPage> expected;
    for (const auto& [id, who] : holders)
      expected.push_back({id, batch_pages(side, at)[expected.size()].request, rows[id], std::ssize(who)});
    EXPECT_EQ(batch_pages(side, at), expected);
    for (const BatchPage& page : expected)
      EXPECT_TRUE(holders[page.page].contains(page.request));
  }
  EXPECT_EQ(side.n_preempted, n_preempted);
  EXPECT_TRUE(side.ended_early.empty()) << side.ended_early;
}

TEST(BatchRun, KeepsItsBooksOnManySeeds) {
  std::int64_t n_preempted = 0;
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    BatchPlan plan = plan_of(220 + 40 * static_cast<std::int64_t>(seed % 5));
    plan.n_requests = 20;
    plan.max_tokens = 100;
    plan.prompt_least = 20, plan.prompt_most = 40;
    plan.answer_least = 1, plan.answer_most = 60;
    plan.shared_prefix = seed % 3 == 0 ? 0 : 19;
    plan.arrivals = seed % 2 == 0 ? 0 : 0.3;
    plan.seed = seed;
    ASSERT_EQ(settle(plan), plan);
    const BatchRun run =
        run_batch({.plan = plan, .token_bytes = 1024, .page_rows = seed % 4 == 0 ? 1 : 8, .stop = {}, .progress = {}});
    check_side(run, run.contiguous);
    check_side(run, run.paged);
    EXPECT_EQ(run.contiguous.most_running, run.contiguous.n_pages);
    EXPECT_EQ(run.contiguous.n_preempted, 0);
    EXPECT_GT(run.paged.most_running, run.contiguous.most_running);
    EXPECT_LE(run.paged.steps.size(), run.contiguous.steps.size());
    n_preempted += run.paged.n_preempted;
  }
  EXPECT_GT(n_preempted, 0) << "memory was never short: the test shows too little";
}

TEST(BatchRun, IsWhatOneCanFollowByHand) {
  // Three requests of 3 tokens that write 3 more, memory for 8 tokens, pages of 2.
  BatchPlan plan = plan_of(8);
  plan.n_requests = 3;
  plan.max_tokens = 6;
  plan.prompt_least = plan.prompt_most = 3;
  plan.answer_least = plan.answer_most = 3;
  const BatchRun run = run_batch({.plan = plan, .token_bytes = 1024, .page_rows = 2, .stop = {}, .progress = {}});
  // Reserving 6 tokens for each, one runs at a time, three steps each.
  ASSERT_EQ(run.contiguous.steps.size(), 9U);
  EXPECT_EQ(run.contiguous.n_pages, 1);
  EXPECT_EQ(run.contiguous.steps[4], (BatchStep{.n_running = 1,
                                                .n_waiting = 1,
                                                .n_finished = 1,
                                                .n_admitted = 0,
                                                .n_preempted = 0,
                                                .reserved = 6 * 1024,
                                                .used = 4 * 1024,
                                                .shared = 0}));
  EXPECT_DOUBLE_EQ(run.contiguous.mean_wait, 3);
  EXPECT_DOUBLE_EQ(run.contiguous.tokens_per_step, 1);
  // With pages two run at once. In their third step each needs a third page and none is left: the second waits, and comes back with 3 + 2
  // tokens when the first, which got one of its pages, has left.
  const std::vector<BatchStep>& steps = run.paged.steps;
  ASSERT_EQ(steps.size(), 7U);
  const std::vector<std::int64_t> n_running{2, 2, 1, 1, 1, 1, 1}, n_preempted{0, 0, 1, 0, 0, 0, 0}, used{6, 8, 5, 5, 3, 4, 5};
  for (std::size_t step = 0; step < steps.size(); ++step) {
    EXPECT_EQ(steps[step].n_running, n_running[step]) << step;
    EXPECT_EQ(steps[step].n_preempted, n_preempted[step]) << step;
    EXPECT_EQ(steps[step].used, used[step] * 1024) << step;
  }
  EXPECT_EQ(batch_pages(run.paged, 1), (std::vector<BatchPage>{{0, 0, 2, 1}, {1, 0, 2, 1}, {2, 1, 2, 1}, {3, 1, 2, 1}}));
}

TEST(BatchRun, SharesTheBeginningOnce) {
  BatchPlan plan = plan_of(28);
  plan.n_requests = 4;
  plan.max_tokens = 32;
  plan.prompt_least = plan.prompt_most = 16;
  plan.answer_least = plan.answer_most = 4;
  plan.shared_prefix = 14;
  const BatchRun run = run_batch({.plan = plan, .token_bytes = 1024, .page_rows = 4, .stop = {}, .progress = {}});
  // Three whole pages of the beginning, shared by three, and one more page each; the fourth would need two, one is left.
  EXPECT_EQ(run.paged.steps[0].n_running, 3);
  EXPECT_EQ(run.paged.steps[0].reserved, (3 + 3) * 4 * 1024);
  EXPECT_EQ(run.paged.steps[0].shared, 2 * 12 * 1024);
  EXPECT_EQ(batch_pages(run.paged, 0)[0], (BatchPage{0, 0, 4, 3}));
  EXPECT_EQ(run.contiguous.n_refused, 4) << "28 tokens hold no stretch of 32";
}

TEST(BatchRun, RefusesRequestsThatFitNowhere) {
  BatchPlan plan = plan_of(60);
  plan.n_requests = 8;
  plan.max_tokens = 100;
  plan.prompt_least = plan.prompt_most = 40;
  plan.answer_least = 1, plan.answer_most = 60;
  const BatchRun run = run_batch({.plan = plan, .token_bytes = 1024, .page_rows = 4, .stop = {}, .progress = {}});
  EXPECT_EQ(run.contiguous.n_refused, 8);
  EXPECT_TRUE(run.contiguous.steps.empty());
  EXPECT_TRUE(batch_pages(run.contiguous, 0).empty());
  EXPECT_EQ(run.paged.n_refused, std::ranges::count_if(run.requests, [](const BatchRequest& r) { return r.most_held() > 60; }));
  EXPECT_GT(run.paged.n_refused, 0);
  EXPECT_EQ(run.paged.n_finished, 8 - run.paged.n_refused);
}

TEST(BatchRun, DrawsTheSameRequestsFromTheSameSeed) {
  BatchPlan plan;
  plan.n_requests = 4096;
  plan.arrivals = 0.5;
  const std::vector<BatchRequest> requests = draw_requests(plan);
  EXPECT_EQ(requests, draw_requests(plan));
  plan.seed = 2;
  EXPECT_NE(requests, draw_requests(plan));
  double prompts = 0, answers = 0;
  std::set<std::int64_t> lengths;
  for (const BatchRequest& request : requests) {
    ASSERT_TRUE(request.prompt >= 16 && request.prompt <= 96 && request.answer >= 8 && request.answer <= 160);
    prompts += static_cast<double>(request.prompt);
    answers += static_cast<double>(request.answer);
    lengths.insert(request.prompt);
  }
  EXPECT_EQ(std::ssize(lengths), 96 - 16 + 1);
  // Means of so many even draws stray by at most 4 of their standard errors.
  EXPECT_NEAR(prompts / 4096, 56, 4 * 81 / std::sqrt(12.0 * 4096));
  EXPECT_NEAR(answers / 4096, 84, 4 * 153 / std::sqrt(12.0 * 4096));
  EXPECT_TRUE(std::ranges::is_sorted(requests, {}, &BatchRequest::arrival));
  EXPECT_NEAR(static_cast<double>(requests.back().arrival) / 4096, 2, 4 * 2 / std::sqrt(4096.0));
  // A Poisson process: the variance of the arrivals of a step is their mean.
  std::vector<double> of_step(static_cast<std::size_t>(requests.back().arrival) + 1);
  for (const BatchRequest& request : requests)
    ++of_step[static_cast<std::size_t>(request.arrival)];
  double squares = 0;
  for (const double n : of_step)
    squares += (n - 0.5) * (n - 0.5);
  EXPECT_NEAR(squares / static_cast<double>(of_step.size()), 0.5, 0.05);
}

TEST(BatchRun, EndsWhereItWouldNeverEnd) {
  BatchPlan plan;
  plan.n_requests = 3;
  plan.arrivals = 1e-9;
  const BatchRun run = run_batch({.plan = plan, .token_bytes = 1024, .page_rows = 16, .stop = {}, .progress = {}});
  EXPECT_EQ(std::ssize(run.paged.steps), kMostBatchSteps);
  EXPECT_EQ(run.paged.ended_early,
            "The simulation ended after 200000 steps with 3 requests left: it keeps 200000 steps and 4000000 pages at most.");
}

TEST(BatchRun, RefusesPlansThatCannotBe) {
  BatchPlan plan;
  plan.n_requests = 0;
  const auto error = [](const BatchPlan& asked, std::int64_t bytes, std::int64_t rows) {
    return error_of([&] { run_batch({.plan = asked, .token_bytes = bytes, .page_rows = rows, .stop = {}, .progress = {}}); });
  };
  EXPECT_EQ(error(plan, 1024, 16), "the batch cannot be run as it is: The number of requests became 1.");
  EXPECT_EQ(error({}, 0, 16), "a token of 0 bytes; it should take 1 to 1099511627776");
  EXPECT_EQ(error({}, 1024, 0), "a page of 0 tokens; it should hold 1 to 4096");
  EXPECT_EQ(error({}, std::numeric_limits<std::int64_t>::max(), 16).find("a token of 9223372036854775807 bytes"), 0U);
}

TEST(BatchRun, TellsHowFarItIsAndStops) {
  std::vector<double> shares;
  std::stop_source source;
  BatchJob job{.plan = {}, .token_bytes = 1024, .page_rows = 16, .stop = source.get_token(), .progress = [&](double share) {
                 shares.push_back(share);
                 if (share > 0.6) source.request_stop();
               }};
  EXPECT_THROW(run_batch(job), Cancelled);
  EXPECT_TRUE(std::ranges::is_sorted(shares));
  EXPECT_GT(shares.back(), 0.6);
  EXPECT_LT(shares.back(), 0.8);
}

TEST(BatchRun, SaysWhatItTakesForGranted) {
  const std::vector<std::string> plain = batch_assumptions({});
  BatchPlan plan;
  plan.shared_prefix = 12;
  plan.arrivals = 2;
  const std::vector<std::string> more = batch_assumptions(plan);
  EXPECT_EQ(more.size(), plain.size() + 1);
  EXPECT_EQ(plain.back(), "All requests are there at the first step.");
  EXPECT_NE(more.back().find("Poisson"), std::string::npos);
}

}  // namespace
}  // namespace headroom
