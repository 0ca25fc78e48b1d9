#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/widgets/sentence_box.h"
#include "core/figure/train_figures.h"
#include "core/runs/experiment.h"
#include "core/runs/plan.h"

namespace headroom {

/// What the Train stage's panels remember between frames.
struct TrainScratch {
  SentenceBoxMemory watched;
  std::array<char, 24> seed{};
  std::optional<std::uint64_t> seed_of;  ///< what `seed` spells
  std::string notice;                    ///< settle's answer to a control of the form
  std::uint64_t notice_session = 0;

  // What the sliders can be set to, and what the plan would take: worked out anew after a change of the session.
  std::uint64_t values_session = ~std::uint64_t{0};
  std::vector<std::int64_t> heads, kv_heads, d_model, layers, tokens;
  std::string estimate, estimate_problem, command;

  bool is_scrubbing = false;                             ///< since a press that began on the time line or a curve
  std::uint64_t report_version = 0, frames_version = 0;  ///< count what was handed out
  TrainInput seen;                                       ///< to count it
  std::uint64_t experiment_version = 0;
  std::shared_ptr<const ExperimentResult> seen_experiment;
};

}  // namespace headroom
