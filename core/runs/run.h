#pragma once

#include <filesystem>
#include <memory>

#include "core/runs/frame_maker.h"
#include "core/runs/run_record.h"
#include "core/runs/timeline.h"
#include "core/runs/trainer.h"

namespace headroom {

/// One run with all that is kept of it. Belongs to a runner's worker thread.
struct Run {
  Run(std::unique_ptr<Trainer> made, std::uint64_t id, const ThreadPool& pool, std::int64_t kept_bytes);

  std::unique_ptr<Trainer> trainer;
  RunRecord record;
  Timeline timeline;
  FrameMaker live_frames, kept_frames;

  /// The live state is kept, if it is worth while and its numbers are ones to go back to.
  void keep(const std::shared_ptr<const HeadReport>& report);
  /// A network with a kept state's parameters, beside the one in training.
  Network& network_of(const KeptState& state, ThreadPool& pool);
  /// The trainer is as it was at a kept state, with fresh moments; what lies behind is forgotten, losses and measurements included.
  void go_back_to(const std::shared_ptr<const KeptState>& state);
  /// The newest kept state whose loss says that it had not yet diverged; null when there is none.
  std::shared_ptr<const KeptState> last_good() const;

 private:
  std::unique_ptr<Network> side_;
  std::int64_t side_tokens_ = -1;  ///< of the state that is in it
};

/// What a run is made from.
struct RunSource {
  const std::filesystem::path& assets;
  ThreadPool& pool;
  std::uint64_t id = 0;
  std::int64_t kept_bytes = 0;
  std::int64_t free_bytes = 0;  ///< 0: not checked
  const Run* present =
      nullptr;  ///< the run that is there: a plan may start from it; its corpus is used again where the data are the same
};
/// Errors  Error, one sentence; Cancelled.
std::unique_ptr<Run> prepare_run(const TrainPlan& plan, const RunSource& source, const TrainWatch& watch);
/// Goes on with a checkpoint. Errors  as prepare_run.
std::unique_ptr<Run> open_run(const std::filesystem::path& folder, const RunSource& source, const TrainWatch& watch);

/// A trainer for a plan that is settled already: from fresh parameters, or from `start_from` for plans that begin with the run that is there.
/// With its teacher, where the plan has one. Errors  Error, one sentence.
std::unique_ptr<Trainer> make_trainer(const TrainPlan& plan, TrainMaterial material, const RunSource& source);

}  // namespace headroom
