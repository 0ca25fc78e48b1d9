#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/roles/ablation.h"
#include "core/roles/events.h"
#include "core/roles/report.h"
#include "core/runs/plan.h"

namespace headroom {

enum class RunPhase {
  kIdle,       ///< nothing has been started
  kPreparing,  ///< the corpus is opened, a tokenizer learned, a model read: RunReport::doing
  kRunning,
  kPaused,
  kFinished,  ///< all tokens of the plan were trained on
  kStopped,   ///< before its end, by the person
  kFailed     ///< RunReport::failure says why; what is kept is still there
};
std::string_view run_phase_name(RunPhase phase);  ///< "running"

/// Mean loss of the training batches up to `tokens` since the point before, nats a target.
struct LossPoint {
  std::int64_t tokens = 0;
  double loss = 0;
};

/// A model that was changed and then trained on.
struct HealReport {
  double loss_before = 0;   ///< held-out loss of the model as it was, nats a target
  double loss_after = 0;    ///< right after the change, before any training
  std::int64_t tokens = 0;  ///< at which healing began: 0, for a plan counts its own tokens
  std::string change;       ///< "8 K/V heads pooled to 4", what was done to it
  std::string why;          ///< one or two sentences: why the loss rose so much (or so little)
};

/// All that is known of a run at one moment. Immutable once handed out.
struct RunReport {
  std::uint64_t run = 0;  ///< differs between any two runs of a runner
  RunPhase phase = RunPhase::kIdle;
  std::string doing;                 ///< of kPreparing: "learning a vocabulary"
  double share = 0;                  ///< of kPreparing: how much of it is done, [0, 1]
  std::string failure;               ///< of kFailed: one sentence, with what to lower when the training diverged
  std::vector<std::string> notices;  ///< sentences for the person: values brought into range …

  TrainPlan plan;      ///< as settled
  ModelConfig config;  ///< of the model in training
  std::int64_t n_parameters = 0;
  double flops_per_token = 0;  ///< computed
  int n_threads = 0;

  std::int64_t tokens = 0, tokens_planned = 0;
  std::int64_t steps = 0, steps_planned = 0;
  double seconds = 0;            ///< measured: of training and measuring; pauses and a sleeping machine do not count
  double training_seconds = 0;   ///< measured: of the training steps alone
  double tokens_per_second = 0;  ///< measured: tokens / training_seconds over the last seconds
  double seconds_left = 0;       ///< estimated; 0 when there is nothing left
  double learning_rate = 0;      ///< of the last step
  double gradient_norm = 0;      ///< of the last step, before clipping
  double training_loss = 0;      ///< mean of the last steps, nats a target

  std::vector<LossPoint> losses;                           ///< ascending, thinned
  std::vector<std::shared_ptr<const HeadReport>> reports;  ///< ascending, thinned; the first is of the untrained model
  std::vector<RoleEvent> events;                           ///< ascending
  std::vector<std::int64_t> kept;                          ///< tokens of the states that one can go back to, ascending
  std::int64_t kept_bytes = 0, kept_budget_bytes = 0;      ///< memory that kept states take, and may take
  std::optional<Ablation> ablation;                        ///< of the watched head, the newest
  std::vector<std::string> causes;                         ///< cause_sentences of it
  std::optional<HealReport> heal;                          ///< where the run began with a changed model

  /// Null before the first measurement.
  const HeadReport* newest() const { return reports.empty() ? nullptr : reports.back().get(); }
  /// The report at the most tokens that are at most `tokens`; null before the first.
  const HeadReport* at(std::int64_t tokens) const;
  bool is_live() const { return phase == RunPhase::kRunning || phase == RunPhase::kPaused || phase == RunPhase::kPreparing; }
};

}  // namespace headroom
