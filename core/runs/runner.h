#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/runs/frame.h"
#include "core/runs/plan.h"
#include "core/runs/report.h"
#include "core/runs/timeline.h"

namespace headroom {

struct RunnerOptions {
  std::filesystem::path assets;          ///< folder with grammar/ and models/
  int n_threads = 0;                     ///< 0 = all processors
  std::int64_t kept_bytes = kKeptBytes;  ///< memory for the time line
  std::int64_t free_bytes = 0;           ///< of memory that a run may take; 0: not checked
  double measuring_share = 0.05;         ///< of the training time that measuring and frames may take
  std::function<double()> clock = {};    ///< seconds; tests put their own in. Empty: the monotonic clock
};

/// What somebody looks at. Frames and ablations are made for it alone.
struct TrainLook {
  std::string sentence;                  ///< empty: nobody looks, no frames are made
  std::optional<std::int64_t> at;        ///< a kept state's tokens (the nearest one is shown); unset: live
  std::optional<std::int64_t> compared;  ///< likewise; unset: nothing is compared
  std::optional<HeadRef> head;           ///< what removing it costs is measured; unset: no ablation
  bool operator==(const TrainLook&) const = default;
};

/// The newest frames: of what the look asked for, or a moment older.
struct TrainFrames {
  std::shared_ptr<const TrainFrame> shown, compared;
};

/// What became of a wish to save.
struct SaveAnswer {
  std::filesystem::path folder;
  std::string failure;  ///< one sentence; empty: it is written
  std::int64_t tokens = 0;
};

/// Trains on one worker thread and measures between steps. No call waits for it, but those that say so.
///
/// Threads  any one caller at a time.
class Runner {
 public:
  /// `wake` is called on the worker's thread when a newer report, frame or answer can be taken.
  Runner(RunnerOptions options, std::function<void()> wake);
  /// Stops within a step. What was not saved is gone.
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  /// Begins a new run; one that is there ends first. The plan is settled. Its kept states stay to be looked at until the new run trains.
  void start(const TrainPlan& plan);
  /// Goes on with a checkpoint, paused.
  void open(const std::filesystem::path& folder);
  void pause();
  void resume();
  /// So many steps more, then paused.
  void step(std::int64_t n = 1);
  /// Ends the run; what is kept stays.
  void stop();
  /// Back to the beginning of the same plan, paused.
  void reset();
  /// Share of the processors' time that training takes, in [0.01, 1]: the rest of each moment it sleeps.
  void set_speed(double share);

  void look(const TrainLook& look);
  /// Writes the shown state (live, or the kept one at `at` of the look) as a checkpoint; the answer comes with take_saves. A kept state
  /// has no moments: it is written as a model without training state.
  void save(const std::filesystem::path& folder);
  std::vector<SaveAnswer> take_saves();

  /// The newest; never null.
  std::shared_ptr<const RunReport> report() const;
  TrainFrames frames() const;
  /// The state nearest to so many tokens (unset: the newest kept); null when nothing is kept.
  std::shared_ptr<const KeptState> kept(std::optional<std::int64_t> tokens) const;

  /// Blocks until the phase is none of kPreparing and kRunning, and every wish so far is answered: for commands and tests.
  void wait();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
