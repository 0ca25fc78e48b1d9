#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "app/views/training_state.h"
#include "core/runs/runner.h"
#include "core/session/session.h"

namespace headroom {

/// In the state folder: the run that was kept when the program was last closed.
inline constexpr const char* kKeptRunFolder = "training";

/// What became of a state that was to be written.
struct TrainedSaved {
  enum class Why { kUse, kSave, kKeep } why = Why::kSave;
  std::filesystem::path folder;
  std::string failure;  ///< one sentence; empty: it is written
  std::int64_t tokens = 0;
};

/// The Train stage's runner and where its states go. The runner (and its thread) is made when something is first asked of it.
///
/// Threads  one, the interface's; no call waits but keep_now().
class Training {
 public:
  /// `state_folder` is where a run is kept when the program closes, `models` where those that other views open lie; empty: nowhere.
  struct Options {
    RunnerOptions runner;
    std::filesystem::path state_folder, models;
  };
  Training(Options options, std::function<void()> wake);
  ~Training();
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  void order(TrainOrder order, const TrainPlan& plan);
  /// What is looked at: after every change of the session.
  void follow(const Session& session);
  /// Puts what is newest into `state`, and returns what was written since the last call.
  std::vector<TrainedSaved> update(TrainingState& state);

  /// One at a time, beside the run or alone. The session's seed is its first.
  void run_experiment(const std::string& id, std::uint64_t seed);
  void cancel_experiment();

  /// Write the state that is looked at. Errors  Error where there is no folder for it, or nothing has run.
  void save_for_use(const std::string& name);
  void save(const std::filesystem::path& folder);
  /// Writes the newest state with all that going on takes; whoever asks for it closes the program when it is there.
  void keep();
  /// The same without a window that could wait: returns when it is written, or after `seconds`.
  void keep_now(double seconds);

  /// The run that was kept when the program was last closed goes on, paused. Errors  Error where there is none.
  void open_kept();
  bool has_run() const;  ///< one that could go on

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
