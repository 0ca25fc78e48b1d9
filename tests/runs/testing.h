#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "core/runs/trainer.h"
#include "core/tensor/error.h"
#include "tests/formats/testing.h"

namespace headroom::test {

using testing_files::message_of;
using testing_files::TemporaryFolder;

inline std::filesystem::path assets() { return std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets"; }

/// A model so small that a step takes well below a millisecond.
inline TrainPlan tiny_plan() {
  TrainPlan plan;
  plan.recipe = "";
  plan.form = {.n_layers = 1, .d_model = 16, .n_heads = 2, .n_kv_heads = 2};
  plan.data.kind = DataKind::kLetters;
  plan.row_length = 16;
  plan.rows_per_step = 4;
  plan.tokens = 4 * 16 * 40;
  plan.warmup_steps = 5;
  plan.learning_rate = 5e-3;
  return plan;
}

inline Trainer make(const TrainPlan& plan, ThreadPool& pool) { return {plan, open_material(plan, assets()), pool}; }

inline std::vector<float> parameters_of(Trainer& trainer) {
  const auto parameters = trainer.network().parameters();
  return {parameters.begin(), parameters.end()};
}

}  // namespace headroom::test
