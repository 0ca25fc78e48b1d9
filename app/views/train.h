#pragma once

#include "app/views/context.h"

namespace headroom {

// The Train stage's panels; the stage itself is draw_train() in context.h.
void draw_train_rail(const Frame& frame);
void draw_train_inspector(const Frame& frame);

/// What the primary button and Space do now: start a run of the plan, pause it, or let it go on.
TrainOrder primary_order(const Frame& frame);
void press_primary(const Frame& frame);

/// The kept state so many steps earlier (negative) or later than the one looked at; behind the newest kept one lies the live one.
void step_in_time(const Frame& frame, int steps);
/// The chosen head of the shown stack moves so many places down the list of all heads.
void step_through_heads(const Frame& frame, int places);

/// The chosen experiment as a picture: its result so far, or what it will show.
ExperimentPicture experiment_picture(const ExperimentRunner::Status& status, const std::string& id);
/// The inspector's list of experiments, and the stage of the chosen one. area in ImGui's screen coordinates.
void experiment_list(const Frame& frame);
void draw_experiment(const Frame& frame, const Rect& area);

}  // namespace headroom
