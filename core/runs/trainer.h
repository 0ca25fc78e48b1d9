#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/corpus/corpus.h"
#include "core/corpus/translation.h"
#include "core/roles/probes.h"
#include "core/roles/report.h"
#include "core/runs/plan.h"
#include "core/runs/report.h"
#include "core/training/network.h"

namespace headroom {

/// What a plan trains on. Opened once, shared by threads and by runs.
struct TrainMaterial {
  std::shared_ptr<const Corpus> corpus;            ///< of a causal or masked model
  std::shared_ptr<const ParallelCorpus> parallel;  ///< of an encoder-decoder
  std::vector<std::string> notices;

  std::shared_ptr<const Tokenizer> tokenizer() const;
  const std::string& tokenizer_json() const;
  std::int64_t vocab_size() const;
  /// How many tokens a model of this plan must be able to read.
  std::int64_t max_positions(const TrainPlan& plan) const;
  RoleProbes probes(const TrainPlan& plan, const ProbeOptions& options) const;
};

/// How far a long preparation is, and how it is stopped.
struct TrainWatch {
  std::function<void(const std::string& doing, double share)> on_progress = {};
  std::stop_token stop = {};
};

/// `assets` is the folder with grammar/ and models/. Errors  Error, one sentence (no such text, too short, binary …); Cancelled.
TrainMaterial open_material(const TrainPlan& plan, const std::filesystem::path& assets, const TrainWatch& watch = {});

/// A model to start from or to learn from, as its folder has it. `name` is a bundled model's or a folder's path.
/// Errors  Error when it cannot be read.
ModelParams open_model(const std::string& name, const std::filesystem::path& assets);

/// The parameters that the training begins with, after surgery, and how the model was before.
struct StartingModel {
  ModelParams params;                      ///< sliced and pooled; no head is removed
  std::shared_ptr<const ModelParams> old;  ///< before surgery
  std::string change, why;                 ///< as HealReport
};
/// Makes the form that of the model, its h and kv_heads the nearest that slicing and pooling can give.
void adopt_form(TrainPlan& plan, const ModelConfig& config);
/// Slices `old` to the form's h and pools it to its kv_heads. The plan's other form values are those of the model.
/// Errors  Error, one sentence, when that cannot be.
StartingModel change_model(ModelParams old, const TrainPlan& plan);

/// What must be the same for training to go on exactly: with the plan, everything.
struct TrainState {
  std::vector<float> parameters, first_moments, second_moments;  ///< [ParameterLayout::size()]
  std::int64_t steps = 0, tokens = 0;
  std::int64_t optimiser_steps = 0;
};

/// kQuickProbes while training; kFullProbes for a final report. Rows are as long as the plan's.
enum class ProbeSize { kQuick, kFull };

struct TrainStep {
  std::int64_t tokens = 0;  ///< of this step
  double loss = 0;          ///< mean over its targets, nats
  double gradient_norm = 0, learning_rate = 0;
  /// One sentence when the training diverged (loss or gradient not finite, or the loss far above the start's): what to lower. The parameters
  /// are then no longer worth anything.
  std::string divergence;
};

/// Trains one plan step by step. No thread of its own; works on the pool's. At one number of threads the same plan gives the same bits,
/// also when it was saved in between and opened anew.
///
/// Threads  one caller at a time; the pool must outlive it.
class Trainer {
 public:
  /// From fresh parameters. The plan must be settled. Errors  Error when it does not fit in memory.
  Trainer(const TrainPlan& plan, TrainMaterial material, ThreadPool& pool);
  /// From a model (TrainStart). Errors  Error when its vocabulary is not the corpus's.
  Trainer(const TrainPlan& plan, TrainMaterial material, StartingModel start, ThreadPool& pool);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  const TrainPlan& plan() const;
  const TrainMaterial& material() const;
  const ModelConfig& config() const;
  Network& network();
  std::int64_t n_parameters() const;
  double flops_per_token() const;  ///< of a typical step

  std::int64_t tokens() const;
  std::int64_t steps() const;
  std::int64_t steps_planned() const;  ///< of a translation about
  bool is_finished() const;

  /// Another length of the plan, before or between steps: the schedule is then that of the new plan.
  void set_tokens(std::int64_t tokens);
  /// Learns from `teacher` beside the data. Errors  Error when the vocabularies differ.
  void set_teacher(std::shared_ptr<Network> teacher, const Distillation& how);
  /// One step of AdamW: `accumulation` passes.
  TrainStep step();

  /// All roles and answers on held-out rows, at tokens(). Errors  Cancelled.
  HeadReport measure(ProbeSize size = ProbeSize::kQuick, std::stop_token stop = {});
  /// The probes of a measurement, made once.
  const RoleProbes& probes(ProbeSize size = ProbeSize::kQuick);
  /// Of a run that began with a changed model: its held-out losses before and after. Once, before the first step.
  std::optional<HealReport> measure_heal(std::stop_token stop = {});

  TrainState state() const;
  /// Errors  ShapeError when it is of another shape.
  void restore(const TrainState& state);
  /// Parameters alone, as of a kept state.
  void set_parameters(std::span<const float> parameters);
  ModelParams params() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
