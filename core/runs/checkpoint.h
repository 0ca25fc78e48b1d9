#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/formats/save_model.h"
#include "core/runs/trainer.h"

namespace headroom {

// A checkpoint is a Hugging Face folder that `transformers` and this program open, with two files more: training_state.json (plan, step,
// tokens) and training_state.safetensors (parameters and moments as they lie in memory), so that training goes on exactly.

enum class SavedState { kWithTraining, kModelOnly };

struct CheckpointOptions {
  SavedState state = SavedState::kWithTraining;
  SavedFloats floats = SavedFloats::kFloat32;
  std::string command;  ///< said in the README: how to make it again; empty: none
};

/// Written whole or not at all. `report` is told in the README; null: none.
/// Errors  Error, one sentence (disk full, no right, another folder is there).
void save_checkpoint(const Trainer& trainer, const HeadReport* report, const std::filesystem::path& folder,
                     const CheckpointOptions& options = {});

/// A checkpoint as read: what a Trainer needs to go on.
struct Checkpoint {
  TrainPlan plan;
  TrainState state;
};
/// Errors  Error, one sentence: no checkpoint with training state, or files that do not fit together.
Checkpoint read_checkpoint(const std::filesystem::path& folder);

/// The folder's model with the recipe, the command and the scores, as its README.md.
std::string checkpoint_readme(const Trainer& trainer, const HeadReport* report, const std::string& command);

}  // namespace headroom
