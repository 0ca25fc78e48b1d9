#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/figure/views.h"
#include "core/runs/experiment.h"

namespace headroom {

struct RunReport;   // core/runs/report.h
struct TrainFrame;  // core/runs/frame.h

/// What the Train stage's pictures are drawn from: immutable values that the runner hands out. How they are looked at is
/// input.session.train_view: what it shows may be ahead of the frames, which come a moment later.
struct TrainInput {
  std::shared_ptr<const RunReport> report;     ///< null: nothing has run; the pictures say what will appear
  std::shared_ptr<const TrainFrame> frame;     ///< every head on the watched sentence at the shown time; null: none yet
  std::shared_ptr<const TrainFrame> compared;  ///< likewise at train_view.compared; null: none (yet)
};

/// The stage in one picture: loss, roles, time line and every head, one below the other, on one axis of tokens.
Figure train_figure(const FigureInput& input, const TrainInput& train);

// Its parts, each a picture of its own. Loss, roles and time line of the same width have the same axis of tokens: x for x.
Figure train_loss_figure(const FigureInput& input, const TrainInput& train);   ///< held-out and training loss, the floor, healing
Figure train_roles_figure(const FigureInput& input, const TrainInput& train);  ///< best head of each role, and behaviours
Figure train_timeline_figure(const FigureInput& input,
                             const TrainInput& train);                         ///< what is kept, what happened, what is looked at
Figure train_heads_figure(const FigureInput& input, const TrainInput& train);  ///< every head on the watched sentence
Figure train_head_figure(const FigureInput& input, const TrainInput& train);   ///< the chosen head, large, with its words

// For the inspector; their height is what they need, at most the input's.
Figure train_happened_figure(const FigureInput& input,
                             const TrainInput& train);  ///< what happened here, said from the measurements
Figure train_behaviour_figure(const FigureInput& input, const TrainInput& train);  ///< what the model gets right, beside chance
Figure train_scores_figure(const FigureInput& input, const TrainInput& train);     ///< the chosen head's score in each role
Figure train_ablation_figure(const FigureInput& input, const TrainInput& train);   ///< what removing the chosen head costs

/// Where the stage's parts lie in a stage of this size; empty: no room for it. What the heads cannot use makes the curves higher.
struct TrainLayout {
  Rect loss, roles, timeline, heads;
};
TrainLayout lay_out_train(Size size, double most_for_heads = 1e9);

/// The time below a point of the loss, roles or time line pictures, snapped to the nearest kept state; unset right of the newest one: live.
/// `width` is the picture's.
std::optional<std::int64_t> train_time_at(const RunReport& report, double width, double x);

/// The series as text: a line for each measurement with tokens, losses, each role's best score, its head and baseline, and each behaviour.
std::string train_csv(const RunReport& report);

/// Curves over some variable with the spread of several seeds, and the same as a table.
using ExperimentPicture = ExperimentResult;
Figure train_experiment_figure(const FigureInput& input, const ExperimentPicture& picture);

}  // namespace headroom
