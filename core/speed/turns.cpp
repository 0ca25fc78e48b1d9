#include "core/speed/turns.h"

#include <algorithm>
#include <cmath>

#include "core/tensor/error.h"
#include "core/tensor/machine.h"

namespace headroom {
namespace {

void throw_if_stopped(const SpeedTools& tools) {
  if (tools.stop.stop_requested()) throw Cancelled();
}

/// One candidate's rounds so far.
struct Rounds {
  std::vector<double> seconds, ratios, limits;
  int n_rounds = 1;  ///< to be run
  int n_calls = 1;   ///< in each
};

/// As many rounds as the budget has room for, and in each as many calls as fill it.
void plan(Rounds& rounds, double seconds_per_call, const SpeedBudget& budget) {
  const double calls = budget.seconds / std::max(seconds_per_call, 1e-9);
  rounds.n_rounds = static_cast<int>(std::clamp(calls, 1.0, static_cast<double>(std::max(1, budget.rounds))));
  rounds.n_calls = static_cast<int>(std::clamp(calls / rounds.n_rounds, 1.0, 1e6));
}

void run_round(const Candidate& candidate, const SpeedTools& tools, Rounds& rounds) {
  const double before = candidate.limit ? candidate.limit() : 0;
  double seconds = 0;
  for (int i = 0; i < rounds.n_calls; ++i) {
    throw_if_stopped(tools);
    seconds += candidate.call();
  }
  seconds /= rounds.n_calls;
  rounds.seconds.push_back(seconds);
  if (!candidate.limit) return;
  const double limit = (before + candidate.limit()) / 2;
  rounds.limits.push_back(limit);
  rounds.ratios.push_back(candidate.amount / seconds / limit);
}

}  // namespace

void report_progress(const SpeedTools& tools, const std::string& stage, double share) {
  throw_if_stopped(tools);
  if (tools.progress) tools.progress(stage, share);
}

double timed(ThreadPool& pool, const std::function<void()>& work) {
  const WorkClock clock(pool.n_threads());
  work();
  return clock.seconds();
}

std::vector<Timing> measure_in_turns(const std::vector<Candidate>& candidates, const SpeedTools& tools) {
  std::vector<Rounds> all(candidates.size());
  int most_rounds = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    throw_if_stopped(tools);
    double seconds = candidates[i].call();  // fills caches, maps memory, compiles shaders
    if (seconds < 2 * tools.budget.seconds) seconds = candidates[i].call();
    plan(all[i], seconds, tools.budget);
    most_rounds = std::max(most_rounds, all[i].n_rounds);
  }
  for (int round = 0; round < most_rounds; ++round) {
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (round < all[i].n_rounds) run_round(candidates[i], tools, all[i]);
    }
  }
  std::vector<Timing> timings;
  for (Rounds& rounds : all) {
    Timing timing{median(rounds.seconds), {}, {}, rounds.n_rounds};
    if (!rounds.limits.empty()) {
      timing.ratio = median(rounds.ratios);
      timing.limit = median(rounds.limits);
    }
    timings.push_back(timing);
  }
  return timings;
}

}  // namespace headroom
