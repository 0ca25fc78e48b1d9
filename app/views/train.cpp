#include "app/views/train.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "app/views/figures.h"
#include "app/widgets/controls.h"
#include "app/widgets/widget_map.h"
#include "core/runs/frame.h"

namespace headroom {
namespace {

constexpr double kPresenterZoom = 1.25;

const RunReport* report_of(const Frame& frame) { return frame.model.training.report(); }

/// A band over the stage: what went wrong, in place. Returns its height.
double draw_failure(const Frame& frame, const Rect& area) {
  const RunReport* report = report_of(frame);
  if (report == nullptr || report->phase != RunPhase::kFailed) return 0;
  const Look& look = frame.look;
  const float wrap = static_cast<float>(area.w) - look.px(24);
  const std::string text =
      imgui_drawable(report->failure, FontFace::kSans) +
      (report->kept.empty() ? "" : " The states that were kept before can still be looked at, used and saved.");
  TextStyle style = small_text(look);
  style.color = frame.theme.text;
  const double height = text_extent(look, text, style, wrap).h + look.px(14);
  ImDrawList& list = *ImGui::GetWindowDrawList();
  fill_rect(list, {area.x, area.y, area.w, height}, frame.theme.warning_panel);
  draw_text(look, list, {area.x + look.px(12), area.y + look.px(7)}, text, style, wrap);
  record_rect("train/failure", {area.x, area.y, area.w, height});
  return height;
}

bool has_time_below(const TrainLayout& layout, Point at) {
  const auto in = [&](const Rect& rect) { return rect.w > 0 && rect.contains(at); };
  return in(layout.loss) || in(layout.roles) || in(layout.timeline);
}

/// A drag over the curves or the time line looks at the kept state below the pointer, as it moves.
void scrub(const Frame& frame, const FigureAnswer& answer) {
  bool& is_scrubbing = frame.state.train.is_scrubbing;
  const RunReport* report = report_of(frame);
  if (!ImGui::IsMouseDown(ImGuiMouseButton_Left)) is_scrubbing = false;
  if (report == nullptr || answer.figure == nullptr) return;
  const TrainLayout layout = lay_out_train(answer.figure->size);
  const ImGuiIO& io = ImGui::GetIO();
  const bool begins = answer.is_hovered && ImGui::IsMouseClicked(ImGuiMouseButton_Left) && !io.KeyCtrl && !io.KeyShift;
  if (begins && has_time_below(layout, answer.at)) is_scrubbing = true;
  constexpr float kStillSquared = 16;  // nearer than this it is a click, which the picture itself answers
  if (!is_scrubbing || io.MouseDragMaxDistanceSqr[0] < kStillSquared) return;
  const Rect& span = layout.timeline.w > 0 ? layout.timeline : layout.roles.w > 0 ? layout.roles : layout.loss;
  const auto at = train_time_at(*report, span.w, answer.at.x - span.x);
  if (at != frame.session.train_view.at) frame.send(TrainTimeSet{at}, "scrub");
  frame.wake_after(0);
}

/// The parts of the picture, where tests can find them.
void record_parts(const Frame& frame, const FigureAnswer& answer, const Rect& area) {
  if (answer.figure == nullptr || !widget_map::is_on()) return;
  const TrainLayout layout = lay_out_train(answer.figure->size);
  const auto record = [&](const char* name, const Rect& part) {
    if (part.w > 0)
      record_rect(name,
                  {area.x + part.x * answer.scale, area.y + part.y * answer.scale, part.w * answer.scale, part.h * answer.scale});
  };
  record("train/loss", layout.loss);
  record("train/roles", layout.roles);
  record("train/timeline", layout.timeline);
  record("train/heads", layout.heads);
  if (frame.session.train_view.at) record("train/looking back", layout.timeline.w > 0 ? layout.timeline : layout.heads);
}

}  // namespace

void draw_train(const Frame& frame, const Rect& area) {
  if (!frame.session.train_view.experiment.empty()) {
    draw_experiment(frame, area);
    return;
  }
  const double used = draw_failure(frame, area);
  const Rect place{area.x, area.y + used, area.w, area.h - used};
  const double zoom = frame.model.settings.is_presenter ? kPresenterZoom : 1.0;
  const FigureAnswer answer = draw_figure(frame, {.kind = FigureKind::kTrain, .name = "stage", .area = place, .zoom = zoom});
  record_parts(frame, answer, place);
  scrub(frame, answer);
}

TrainOrder primary_order(const Frame& frame) {
  const TrainingState& training = frame.model.training;
  const RunReport* report = training.report();
  if (training.is_running()) return TrainOrder::kPause;
  if (report == nullptr || report->plan != frame.session.train) return TrainOrder::kStart;
  const bool waits = report->phase == RunPhase::kPaused || report->phase == RunPhase::kStopped;
  return waits && report->tokens < report->tokens_planned ? TrainOrder::kResume : TrainOrder::kStart;
}

void press_primary(const Frame& frame) {
  const TrainOrder order = primary_order(frame);
  if (order == TrainOrder::kStart && frame.session.train_view.at) frame.send(TrainTimeSet{});  // of the run that ends here
  if (order == TrainOrder::kStart && frame.session.train_view.compared) frame.send(TrainComparedSet{});
  frame.command(OrderTraining{order});
}

void step_in_time(const Frame& frame, int steps) {
  const RunReport* report = report_of(frame);
  if (report == nullptr || report->kept.empty()) return;
  const std::vector<std::int64_t>& kept = report->kept;
  const auto n = static_cast<std::ptrdiff_t>(kept.size());
  // The live state lies behind the newest kept one.
  std::ptrdiff_t at = n;
  if (const auto looked = frame.session.train_view.at) at = std::lower_bound(kept.begin(), kept.end(), *looked) - kept.begin();
  at = std::clamp<std::ptrdiff_t>(at + steps, 0, n);
  const std::optional<std::int64_t> next = at == n ? std::nullopt : std::optional<std::int64_t>(kept[static_cast<std::size_t>(at)]);
  if (next != frame.session.train_view.at) frame.send(TrainTimeSet{next}, "scrub");
}

void step_through_heads(const Frame& frame, int places) {
  const TrainFrame* shown = frame.model.training.input.frame.get();
  const FrameStack* stack = shown == nullptr ? nullptr : shown->find(frame.session.train_view.stack);
  if (stack == nullptr || stack->n_heads == 0) return;
  const std::int64_t last = stack->n_layers * stack->n_heads - 1;
  std::int64_t at = places > 0 ? 0 : last;
  if (const auto& head = frame.session.train_view.head)
    at = std::clamp<std::int64_t>(head->layer * stack->n_heads + head->head + places, 0, last);
  const HeadRef next{at / stack->n_heads, at % stack->n_heads};
  if (next != frame.session.train_view.head) frame.send(TrainHeadSelected{next}, "train head");
}

}  // namespace headroom
