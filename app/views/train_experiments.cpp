#include <imgui.h>

#include <algorithm>
#include <string>

#include "app/views/figures.h"
#include "app/views/flow.h"
#include "app/views/train.h"
#include "app/widgets/controls.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

/// Null when a file names one that this version has not.
const ExperimentInfo* info_of(const std::string& id) {
  const auto& all = experiments();
  const auto found = std::find_if(all.begin(), all.end(), [&](const ExperimentInfo& info) { return info.id == id; });
  return found == all.end() ? nullptr : &*found;
}

bool is_of(const ExperimentRunner::Status& status, const std::string& id) {
  return status.result != nullptr && status.result->id == id;
}

}  // namespace

ExperimentPicture experiment_picture(const ExperimentRunner::Status& status, const std::string& id) {
  ExperimentPicture picture;
  const ExperimentInfo* info = info_of(id);
  if (!is_of(status, id)) {
    picture.title = info == nullptr ? "There is no experiment " + id : info->title;
    picture.conclusion = info == nullptr ? std::string() : info->sentence;
    picture.progress = 0;
    return picture;
  }
  const ExperimentResult& result = *status.result;
  picture.title = result.title;
  picture.x_name = result.x_name;
  picture.y_name = result.y_name;
  for (const ExperimentResult::Series& series : result.series) {
    ExperimentPicture::Series curve{.name = series.name, .points = {}};
    for (const ExperimentResult::Spread& point : series.points)
      curve.points.push_back({point.x, point.mean, point.lowest, point.highest, point.n_seeds, point.label});
    picture.series.push_back(std::move(curve));
  }
  picture.floor = result.floor;
  picture.columns = result.columns;
  picture.rows = result.rows;
  picture.conclusion = result.conclusion;
  picture.progress = result.progress;
  return picture;
}

void experiment_list(const Frame& frame) {
  const Look& look = frame.look;
  heading(look, "EXPERIMENTS");
  for (const ExperimentInfo& info : experiments()) {
    const std::string name = "train/experiment/" + info.id;
    if (link(look, name, info.title, info.title + "\n" + info.sentence)) frame.send(ExperimentChosen{info.id});
    gap(look, 5);
  }
}

void draw_experiment(const Frame& frame, const Rect& area) {
  const Look& look = frame.look;
  const std::string& id = frame.session.train_view.experiment;
  const ExperimentInfo* info = info_of(id);
  const ExperimentRunner::Status& status = frame.model.training.experiment;
  const bool is_running = status.is_running && (status.result == nullptr || is_of(status, id));
  const float margin = look.px(12);
  float x = static_cast<float>(area.x) + margin;
  const float y = static_cast<float>(area.y) + look.px(8);
  const auto place = [&](float width) {
    ImGui::SetCursorScreenPos(ImVec2(x, y));
    x += width + look.px(10);
  };
  place(button_width(look, "Back to the run"));
  if (button(look, {.name = "experiment/back",
                    .label = "Back to the run",
                    .tooltip = "The run that is trained by hand (Esc); an experiment goes on."}))
    frame.send(ExperimentChosen{});
  const char* label = is_of(status, id) && !is_running ? "Run again" : "Run";
  place(button_width(look, label));
  if (button(look,
             {.name = "experiment/run",
              .label = label,
              .tooltip = info == nullptr ? std::string("This version has no such experiment.")
                                         : info->title + "\n" + info->sentence + " Each model sees " + short_tokens(info->tokens) +
                                               " tokens, from several seeds; it runs beside everything else.",
              .enabled = info != nullptr && !is_running ? Enabled::kYes : Enabled::kNo,
              .kind = Button::Kind::kPrimary}))
    frame.command(RunExperiment{id});
  if (is_running) {
    const float width = std::min(look.px(420), static_cast<float>(area.x + area.w) - x - margin);
    place(width);
    const double share = is_of(status, id) ? status.result->progress : 0;
    if (width > look.px(120) &&
        progress_bar(look, {.name = "experiment/cancel", .stage = "training its models", .share = share, .width = width}))
      frame.command(CancelExperiment{});
  }
  const double used = look.px(44);
  draw_figure(frame,
              {.kind = FigureKind::kTrainExperiment, .name = "stage", .area = {area.x, area.y + used, area.w, area.h - used}});
}

}  // namespace headroom
