#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "app/commands/progress_line.h"
#include "core/formats/save_model.h"
#include "core/runs/trainer.h"

namespace headroom {

/// What `headroom train` was asked for.
struct TrainOrder {
  TrainPlan plan;
  std::optional<std::filesystem::path> resumed;  ///< a checkpoint to go on with; the plan is then its own
  double seconds = 0;                            ///< of training; 0: as many tokens as the plan says
  int threads = 0;                               ///< 0: all processors
  std::filesystem::path out;
  SavedFloats floats = SavedFloats::kFloat32;
  enum class Saved { kWithState, kModelOnly } saved = Saved::kWithState;
  Progress progress = Progress::kQuiet;
  std::string command;  ///< as it was typed: said in the README
};

/// What came of it.
struct TrainOutcome {
  TrainPlan plan;
  HeadReport report;  ///< of the saved model, with the full probes
  int threads = 0;
  std::int64_t tokens = 0, parameters = 0;
  double seconds = 0;  ///< of the training steps of this call
  double tokens_per_second = 0;
  double training_loss = 0;        ///< mean of the last steps
  std::optional<HealReport> heal;  ///< where it began with a changed model
  std::string note;                ///< why it ended before its plan; empty: it did not
  std::string divergence;          ///< one sentence when the training diverged: what is saved is the last good state
};

/// Trains, measures and saves; nothing is trained that could not be saved. Interrupted (Ctrl+C), it saves what is there.
/// Errors  Error, one sentence.
TrainOutcome run_training(const TrainOrder& order, const std::filesystem::path& assets);

/// One JSON object, and a table for people: roles, behaviours, losses.
std::string train_json(const TrainOutcome& outcome, const std::filesystem::path& folder);
std::string train_table(const TrainOutcome& outcome, const std::filesystem::path& folder);

}  // namespace headroom
