#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/formats/save_model.h"
#include "core/runs/trainer.h"

namespace headroom {

// A checkpoint is a Hugging Face folder that `transformers` and this program open, with two files more: training_state.json (plan, step,
// tokens) and training_state.safetensors (parameters and moments as they lie in memory), so that training goes on exactly.

/// What is written.
struct SavedRun {
  const TrainPlan& plan;
  const TrainMaterial& material;
  const ModelParams& params;
  std::optional<TrainState> state;     ///< unset: the model alone
  const HeadReport* report = nullptr;  ///< told in the README; null: none
  SavedFloats floats = SavedFloats::kFloat32;
  std::string command;  ///< said in the README: how to make it again; empty: none
};

/// Written whole or not at all. Errors  Error, one sentence (disk full, no right, another folder is there); then nothing changed.
void save_run(const SavedRun& run, const std::filesystem::path& folder);
/// The trainer's present state.
void save_checkpoint(const Trainer& trainer, const HeadReport* report, const std::filesystem::path& folder,
                     const std::string& command = {});

/// A checkpoint as read.
struct Checkpoint {
  TrainPlan plan;
  TrainState state;
  StartingModel model;         ///< with nothing changed
  std::string tokenizer_json;  ///< as it was: data that give another one cannot be trained on further
};
/// Errors  Error, one sentence: no checkpoint with training state, or files that do not fit together.
Checkpoint read_checkpoint(const std::filesystem::path& folder);
/// A trainer that goes on with it. Errors  Error when the data have changed since.
std::unique_ptr<Trainer> continue_training(Checkpoint checkpoint, TrainMaterial material, ThreadPool& pool);

/// README.md of a trained model: what it is, how it was made, and what was measured of its heads.
std::string run_readme(const SavedRun& run);

}  // namespace headroom
