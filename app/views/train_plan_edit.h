#pragma once

#include <string>

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "app/views/context.h"
#include "app/widgets/controls.h"

namespace headroom {

/// Sends the changed plan, and keeps what settling has to say about it for the rail.
void set_plan(const Frame& frame, TrainPlan plan, const char* group);
/// The same after `change`, a function of TrainPlan&.
template <typename Change>
void change_plan(const Frame& frame, const char* group, const Change& change) {
  TrainPlan plan = frame.session.train;
  change(plan);
  set_plan(frame, std::move(plan), group);
}

/// Whether the run that is shown is one of the session's plan.
bool is_planned_run(const Frame& frame);

/// "grammar-base, h 8 → 4, 2 heads removed": what the plan begins with and how it is changed; for words on the screen.
std::string start_sentence(const Frame& frame);

/// The plan that goes on from the state that is looked at, unchanged: a change of it then heals. Nothing where nothing has run.
std::optional<TrainPlan> plan_from_here(const Frame& frame);

/// "positions   rotary ▾": a label at the left, a folded list at the right end of the panel.
struct OptionRow {
  std::string_view name, label, tooltip;
  std::span<const MenuChoice> choices;
  int selected = -1;
  std::string_view value = {};  ///< instead of the selected choice's label
};
std::optional<int> option_row(const Frame& frame, const OptionRow& spec);

// The rail's sections, in train_rail.cpp, train_form.cpp and train_data.cpp.
void train_run(const Frame& frame);
void train_form(const Frame& frame);
void train_data(const Frame& frame);
void train_budget(const Frame& frame);
void train_watch(const Frame& frame);

}  // namespace headroom
