#pragma once

#include <filesystem>
#include <memory>

#include "core/runs/runner.h"
#include "core/runs/trainer.h"

namespace headroom {

/// A run from its beginning to its end, as a picture shows it.
struct RecordedRun {
  std::shared_ptr<const RunReport> report;
  TrainFrames frames;
};

struct RecordOptions {
  std::filesystem::path assets;
  int n_threads = 1;        ///< the same number gives the same bits
  int n_measurements = 32;  ///< evenly over the plan, the untrained model and the end besides
  TrainLook look;           ///< what is shown at the end; the head's removal is measured at the shown state
};

/// Trains the plan on the calling thread, and measures it at fixed numbers of steps: the same record each time. Nothing in it was timed:
/// seconds and tokens a second are 0.
/// Errors  Error, one sentence (as Runner; also when the training diverged); Cancelled.
RecordedRun record_run(const TrainPlan& plan, const RecordOptions& options, const TrainWatch& watch = {});

}  // namespace headroom
