#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "core/runs/report.h"
#include "core/runs/step_clock.h"
#include "core/runs/trainer.h"

namespace headroom {

/// Writes down what happens in one run, as a RunReport that is copied out. Series are kept short: losses are means over stretches of the plan,
/// measurements are thinned evenly, but for those at which something happened.
class RunRecord {
 public:
  RunRecord(const Trainer& trainer, std::uint64_t run, int n_threads);

  void add_step(const Trainer& trainer, const TrainStep& step, double seconds);
  void add_report(std::shared_ptr<const HeadReport> report);
  /// Time of measuring and drawing, which is no training.
  void add_other_seconds(double seconds) { other_.add(seconds); }
  /// Tokens and steps as they are after going back.
  void go_back(const Trainer& trainer);

  RunReport& report() { return report_; }
  const RunReport& report() const { return report_; }
  double training_seconds() const { return training_.total(); }
  /// The report with its times worked out. `speed` is the share of the time that training may take.
  RunReport finished(double speed) const;

 private:
  RunReport report_;
  StepClock training_, other_;
  std::deque<std::pair<double, std::int64_t>> recent_;  ///< training seconds and tokens of the last moments
  // Of the loss point that is being made.
  std::int64_t stretch_ = 0, next_point_ = 0;
  double loss_sum_ = 0;
  std::int64_t n_losses_ = 0;
};

}  // namespace headroom
