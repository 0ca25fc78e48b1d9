#include "app/views/command_groups.h"

#include "app/views/train.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

const View& view(const Frame& frame) { return frame.session.view; }

bool is_on_train(const Frame& frame) { return view(frame).stage == StageView::kTrain; }

bool has_kept_states(const Frame& frame) {
  const RunReport* report = frame.model.training.report();
  return is_on_train(frame) && report != nullptr && !report->kept.empty();
}

using enum Key;
constexpr Modifiers kPlain{};

const CommandInfo kCommands[] = {
    {"train/play",
     "Train or pause",
     "Train: starts a run of the plan, pauses it, goes on.",
     {kSpace, kPlain},
     press_primary,
     is_on_train,
     nullptr,
     [](const Frame& f) { return std::string(f.model.training.is_running() ? "Pause training" : "Train"); }},
    {"train/first",
     "First kept state",
     "Train: looks at the run's beginning.",
     {kHome, kPlain},
     [](const Frame& f) { f.send(TrainTimeSet{f.model.training.report()->kept.front()}, "scrub"); },
     has_kept_states},
    {"train/live",
     "Newest state",
     "Train: looks at the newest state again, as it trains.",
     {kEnd, kPlain},
     [](const Frame& f) { f.send(TrainTimeSet{}, "scrub"); },
     has_kept_states},
    {"train/stop",
     "Stop training",
     "Ends the run; what was kept of it stays on the time line.",
     {},
     [](const Frame& f) { f.command(OrderTraining{TrainOrder::kStop}); },
     [](const Frame& f) { return f.model.training.is_live(); }},
    {"train/reset",
     "Reset training",
     "Back to the beginning of the run, with the same random numbers.",
     {},
     [](const Frame& f) { f.command(OrderTraining{TrainOrder::kReset}); },
     [](const Frame& f) { return f.model.training.report() != nullptr && f.model.training.report()->steps > 0; }},
    {"train/use",
     "Use the trained model in all views",
     "Saves the state that is looked at among your models and opens it.",
     {},
     [](const Frame& f) { f.command(UseTrained{}); },
     has_kept_states},
    {"train/heal",
     "Heal this model",
     "Trains the model as it stands now (sliced, pooled, pruned) on, and shows how its loss comes back.",
     {},
     [](const Frame& f) { f.command(HealModel{}); },
     [](const Frame& f) { return f.snapshot != nullptr && f.session.compute.parameters == ParameterSource::kTrained; }},
    {"train/copy_command",
     "Copy the training command",
     "Puts on the clipboard what trains this plan without a window.",
     {},
     [](const Frame& f) { f.command(CopyText{train_command(f.session.train).text}); }},
    {"train/save_plan",
     "Save the training plan…",
     "Writes the plan as a file that `headroom train --config` reads.",
     {},
     [](const Frame& f) { open_dialog(f, DialogKind::kTrainPlan); }},
    {"speed/measure",
     "Measure speed",
     "Runs the session's layer in several ways on this machine and shows what each takes.",
     {kM, kPlain},
     [](const Frame& f) {
       if (view(f).stage != StageView::kSpeed) f.send(StageViewSet{StageView::kSpeed}, "stage");
       f.command(MeasureSpeed{view(f).stage == StageView::kSpeed ? view(f).speed_section : SpeedSection::kAll});
     },
     [](const Frame& f) { return f.snapshot != nullptr; }},
    {"speed/csv",
     "Export speed as CSV…",
     "Writes every measured number, with its unit and the machine, as comma-separated values.",
     {},
     [](const Frame& f) {
       f.state.exports_csv = true;
       open_dialog(f, DialogKind::kExport);
     },
     [](const Frame& f) { return f.model.speed.report != nullptr; }},
};

}  // namespace

std::span<const CommandInfo> train_and_speed_commands() { return kCommands; }

}  // namespace headroom
