#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/speed/measuring.h"

namespace headroom {

/// Something to be timed, and what it is held against.
struct Candidate {
  std::string name;
  /// Does it once and returns the seconds it took, by whatever clock suits it.
  std::function<double()> call;
  /// Work of one call in the limit's unit (flops, bytes).
  double amount = 0;
  /// Measures what the machine can do now, units of amount a second. Empty: no limit.
  std::function<double()> limit = {};
};

struct Timing {
  double seconds = 0;           ///< of one call; median of the rounds
  std::optional<double> ratio;  ///< median of the rounds' (amount / seconds) / limit
  std::optional<double> limit;  ///< median
  int rounds = 0;
};

/// Times the candidates round robin, so that a drift of the machine's speed touches all alike. In a round each is called for its share of
/// budget.seconds between two looks at its limit; the round's ratio is against the mean of the two. First calls warm up and are not counted.
/// Errors  Cancelled between calls when asked to stop; whatever a call throws.
std::vector<Timing> measure_in_turns(const std::vector<Candidate>& candidates, const SpeedTools& tools);

/// Times one call of `work` by WorkClock for the pool.
double timed(ThreadPool& pool, const std::function<void()>& work);

/// Tells the share that a stage has done, if anybody listens. Errors  Cancelled when asked to stop.
void report_progress(const SpeedTools& tools, const std::string& stage, double share);

}  // namespace headroom
