#pragma once

#include <string>

#include "core/runs/plan.h"

namespace headroom {

/// What one plan has that the other had not, as the menu's "Undo" says it: "train with h = 8". The first difference speaks for all.
std::string train_change_text(const TrainPlan& before, const TrainPlan& after);

/// What a plan begins with: "fresh parameters", "grammar-base with 2 heads removed", "the run at 180 k tokens".
std::string train_start_text(const TrainStart& start);

/// "1.32 M", "180 k", "48": tokens with at most three digits.
std::string short_tokens(std::int64_t tokens);

/// The command that runs the plan without a window: by the recipe's name where only tokens and seed differ from it, else by a saved plan.
struct TrainCommand {
  std::string text;         ///< "headroom train --recipe agreement --seed 3 --out agreement"
  bool needs_file = false;  ///< it reads the plan from a file, which must be saved first
};
TrainCommand train_command(const TrainPlan& plan);

}  // namespace headroom
