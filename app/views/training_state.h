#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/figure/train_figures.h"
#include "core/runs/experiment.h"
#include "core/runs/report.h"

namespace headroom {

/// What is known of training at this moment, for the views: immutable values that the runner handed out.
struct TrainingState {
  TrainInput input;                     ///< its report is null until something was trained
  std::filesystem::path kept_run;       ///< a run that was kept when the program was last closed; empty: none
  std::string saving;                   ///< what a state is being written for: "the other views"; empty: nothing is written
  ExperimentRunner::Status experiment;  ///< the one that ran last, or runs
  bool asks_to_close = false;           ///< the window is to be closed while a run could go on

  const RunReport* report() const { return input.report.get(); }
  bool is_live() const { return input.report != nullptr && input.report->is_live(); }
  bool is_running() const {
    return is_live() && (input.report->phase == RunPhase::kRunning || input.report->phase == RunPhase::kPreparing);
  }
};

// What a person asked of training.
enum class TrainOrder { kStart, kPause, kResume, kStep, kStop, kReset };
struct OrderTraining {
  TrainOrder order = TrainOrder::kStart;
};                     ///< kStart: a new run of the session's plan
struct UseTrained {};  ///< saves the state looked at among the person's models, and opens it
struct SaveTrained {
  std::filesystem::path folder;
};
struct SaveTrainPlan {
  std::filesystem::path file;
};                    ///< for `headroom train --config`
struct HealModel {};  ///< the session's model as it stands becomes what training starts from
struct RunExperiment {
  std::string id;
};
struct CancelExperiment {};
enum class ClosingAnswer { kKeepAndQuit, kQuit, kGoOn };
struct AnswerClosing {
  ClosingAnswer answer = ClosingAnswer::kGoOn;
};
enum class KeptRunAnswer { kGoOn, kForget };
struct AnswerKeptRun {
  KeptRunAnswer answer = KeptRunAnswer::kGoOn;
};  ///< of the run that was kept when the program was last closed

}  // namespace headroom
