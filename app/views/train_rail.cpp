#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "app/views/flow.h"
#include "app/views/loss_line.h"
#include "app/views/numbers.h"
#include "app/views/train.h"
#include "app/views/train_plan_edit.h"
#include "app/widgets/widget_map.h"
#include "core/figure/number_text.h"
#include "core/runs/frame.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

enum class Sign { kPlay, kPause };

/// The primary button, with the sign that players have. True when it was pressed.
bool player_button(const Frame& frame, const Button& spec, Sign sign) {
  const Look& look = frame.look;
  const std::string label = "     " + std::string(spec.label);
  Button shown = spec;
  shown.label = label;
  shown.width = button_width(look, label);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const bool is_pressed = button(look, shown);
  const Color over = contrast(frame.theme.accent, frame.theme.on_light) > contrast(frame.theme.accent, frame.theme.on_dark)
                         ? frame.theme.on_light
                         : frame.theme.on_dark;
  const Color color = spec.enabled == Enabled::kYes ? over : frame.theme.text_faint;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const float x = at.x + look.px(11), y = at.y + look.px(7), h = look.px(10);
  if (sign == Sign::kPause) {
    fill_rect(list, {x, y, look.px(3), h}, color);
    fill_rect(list, {x + look.px(5), y, look.px(3), h}, color);
  } else {
    list.AddTriangleFilled(ImVec2(x, y), ImVec2(x + look.px(8), y + h / 2), ImVec2(x, y + h), pack(color));
  }
  return is_pressed;
}

/// What the primary button says.
struct Primary {
  const char* label;
  Sign sign;
  const char* tooltip;
};

Primary primary_of(const Frame& frame) {
  const RunReport* report = frame.model.training.report();
  switch (primary_order(frame)) {
    case TrainOrder::kPause:
      return {"Pause", Sign::kPause, "Pause (Space)\nThe run waits within a step; everything can be looked at meanwhile."};
    case TrainOrder::kResume:
      return {"Go on", Sign::kPlay, "Go on (Space)\nTraining continues exactly where it waits."};
    default:
      break;
  }
  if (frame.session.train.start.from != StartFrom::kScratch)
    return {"Heal", Sign::kPlay,
            "Heal (Space)\nTrains the changed model on: the loss before the change, right after it and as it heals is drawn."};
  if (report != nullptr && report->steps > 0)
    return {
        "Train anew", Sign::kPlay,
        "Train anew (Space)\nA fresh run of the form below. The states kept of the run that is shown are let go when it begins."};
  return {"Train", Sign::kPlay, "Train (Space)\nStarts from random parameters; within seconds the heads take up roles."};
}

void buttons(const Frame& frame) {
  const TrainingState& training = frame.model.training;
  const RunReport* report = training.report();
  Flow flow(frame.look, 8, 30);
  const Primary primary = primary_of(frame);
  flow.place(button_width(frame.look, "     " + std::string(primary.label)));
  if (player_button(frame,
                    {.name = "train/primary", .label = primary.label, .tooltip = primary.tooltip, .kind = Button::Kind::kPrimary},
                    primary.sign))
    press_primary(frame);
  struct Plain {
    const char* name;
    const char* label;
    const char* tooltip;
    TrainOrder order;
    bool is_enabled;
  };
  const bool has_run = report != nullptr;
  const bool can_step = has_run && report->phase == RunPhase::kPaused;
  const std::array<Plain, 3> plain{
      {{"train/step", "Step", "One step of AdamW, then it waits: 16 rows forward and backward, one change of every parameter.",
        TrainOrder::kStep, can_step && is_planned_run(frame)},
       {"train/stop", "Stop", "Ends this run; what was kept of it stays on the time line.", TrainOrder::kStop, training.is_live()},
       {"train/reset", "Reset", "Back to the beginning of this run, with the same random numbers: it would go the same way again.",
        TrainOrder::kReset, has_run && report->steps > 0 && report->phase != RunPhase::kPreparing}}};
  for (const Plain& one : plain) {
    flow.place(button_width(frame.look, one.label));
    if (button(frame.look, {.name = one.name,
                            .label = one.label,
                            .tooltip = one.tooltip,
                            .enabled = one.is_enabled ? Enabled::kYes : Enabled::kNo}))
      frame.command(OrderTraining{one.order});
  }
  flow.end();
}

/// "6.2 s", "3 min 05 s"
std::string seconds_text(double seconds) {
  if (!std::isfinite(seconds)) return "–";
  if (seconds < 100) return fixed(seconds, seconds < 10 ? 1 : 0) + " s";
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 3600) return std::to_string(whole / 60) + " min " + (whole % 60 < 10 ? "0" : "") + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + (whole % 3600 / 60 < 10 ? "0" : "") + std::to_string(whole % 3600 / 60) + " min";
}

/// Always three lines high, so that nothing below moves under the pointer when a run begins.
void figures(const Frame& frame) {
  const RunReport* report = frame.model.training.report();
  const Color text = frame.theme.text;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  if (report != nullptr && report->phase == RunPhase::kPreparing) {
    progress_bar(frame.look, {.name = "train/preparing",
                              .stage = report->doing.empty() ? "preparing" : report->doing,
                              .share = report->share,
                              .width = ImGui::GetContentRegionAvail().x});
    constexpr double kThreeLines = 60;
    ImGui::SetCursorScreenPos(ImVec2(at.x, at.y + frame.look.px(kThreeLines)));
    ImGui::Dummy(ImVec2(0, 0));
    return;
  }
  if (report != nullptr && widget_map::is_on()) record_rect("train/seen " + std::to_string(report->tokens), {at.x, at.y, 1, 1});
  std::string seen = "0 of " + short_tokens(frame.session.train.tokens), time = "–", rate = "–";
  if (report != nullptr) {
    seen = short_tokens(report->tokens) + " of " + short_tokens(report->tokens_planned);
    if (report->seconds > 0) time = seconds_text(report->seconds) + " · " + seconds_text(report->seconds_left);
    if (report->tokens_per_second > 0) rate = short_tokens(static_cast<std::int64_t>(report->tokens_per_second)) + " tokens/s";
  }
  label_and_number(frame, "tokens seen", seen, text,
                   "Tokens seen, counted\nEach step reads a batch of rows; the plan says how many tokens in all.");
  label_and_number(
      frame, "time · left", time, text,
      "Time, measured, and what is left, estimated\nTraining and measuring together; pauses do not count. What is left "
      "follows from the last seconds' speed.");
  label_and_number(
      frame, "speed", rate, text,
      "Speed, measured\nTokens of the last seconds' training steps by their time; measuring between steps does not count.");
}

void speed(const Frame& frame) {
  constexpr std::array<std::int64_t, 7> shares{2, 5, 10, 25, 50, 75, 100};
  const auto now = static_cast<std::int64_t>(std::llround(frame.session.train_view.speed * 100));
  if (const auto share =
          value_slider(frame.look, {.name = "train/speed",
                                    .label = "pace",
                                    .tooltip = "Pace\nThe share of the processors' time that training takes; slower, one sees "
                                               "each change. It changes no number.",
                                    .values = shares,
                                    .value = now,
                                    .unit = "%"}))
    frame.send(TrainSpeedSet{static_cast<double>(*share) / 100}, "train/speed");
}

void card(const Frame& frame, const std::string& title, const std::string& text) {
  gap(frame.look, 4);
  const Card box(frame.look, frame.theme.raised, frame.theme.border);
  TextStyle strong{.face = FontFace::kSansMedium, .size = kSmallTextSize, .color = frame.theme.text};
  paragraph(frame.look, title, strong);
  gap(frame.look, 3);
  paragraph(frame.look, text, small_text(frame.look));
}

void kept_run(const Frame& frame) {
  if (frame.model.training.kept_run.empty() || frame.model.training.is_live()) return;
  card(frame, "A run was kept",
       "It was going on when the program was closed. It can go on exactly where it was; the pictures of its earlier "
       "states are not kept.");
  gap(frame.look, 4);
  Flow flow(frame.look, 8, 30);
  flow.place(button_width(frame.look, "Go on with it"));
  if (button(frame.look,
             {.name = "train/kept_go_on", .label = "Go on with it", .tooltip = "Opens the kept run, paused, with its plan."}))
    frame.command(AnswerKeptRun{KeptRunAnswer::kGoOn});
  flow.place(button_width(frame.look, "Forget it"));
  if (button(frame.look, {.name = "train/kept_forget", .label = "Forget it", .tooltip = "Deletes the kept run's files."}))
    frame.command(AnswerKeptRun{KeptRunAnswer::kForget});
  flow.end();
}

void start_card(const Frame& frame) {
  if (frame.session.train.start.from == StartFrom::kScratch) return;
  card(frame, "Starts from " + imgui_drawable(start_sentence(frame), FontFace::kSans),
       is_planned_run(frame)
           ? "This run began with a changed model; its loss before and right after the change is in the loss picture."
           : "Heal trains it on for " + short_tokens(frame.session.train.tokens) + " tokens.");
  gap(frame.look, 4);
  if (link(frame.look, "train/from_scratch", "start from fresh parameters instead", "Forgets the changed model; the form stays."))
    change_plan(frame, "", [](TrainPlan& plan) { plan.start = {}; });
}

/// The form was changed under a run: what that means.
void other_plan(const Frame& frame) {
  const RunReport* report = frame.model.training.report();
  if (report == nullptr || report->steps == 0 || is_planned_run(frame)) return;
  const std::string waits = report->phase == RunPhase::kPaused ? " It waits at " + short_tokens(report->tokens) + " tokens." : "";
  card(frame, "Another plan than the run that is shown",
       "What is shown stays until a run of this plan begins." + waits + " Undo (Ctrl+Z) goes back to the plan of the run.");
}

/// What the default sentence is for; of others, what the runner has to say.
void watch_notes(const Frame& frame) {
  const Look& look = frame.look;
  const TrainFrame* shown = frame.model.training.input.frame.get();
  const std::string& sentence = frame.session.train_view.sentence;
  if (sentence == TrainView{}.sentence)
    paragraph(look, "The verb must agree with cats, not with the nearer dog.", small_text(look));
  if (shown == nullptr || shown->sentence != sentence) return;
  TextStyle warning = small_text(look);
  warning.color = frame.theme.warning;
  for (const std::string& notice : shown->notices)
    paragraph(look, imgui_drawable(notice, FontFace::kSans), warning);
}

}  // namespace

void train_run(const Frame& frame) {
  heading(frame.look, "RUN");
  buttons(frame);
  figures(frame);
  speed(frame);
  kept_run(frame);
  start_card(frame);
  other_plan(frame);
}

void train_watch(const Frame& frame) {
  heading(frame.look, "WATCH");
  const std::optional<SharedText> edited =
      sentence_box(frame.look,
                   {.name = "train/watched",
                    .tooltip = "The sentence whose heads are drawn\nAny words; those that the model does not know become <unk>. At "
                               "most 64 tokens are shown.",
                    .placeholder = "Type a sentence…",
                    .text = frame.session.train_view.sentence,
                    .width = ImGui::GetContentRegionAvail().x,
                    .min_lines = 1,
                    .max_lines = 4},
                   frame.state.train.watched);
  if (edited) frame.send(WatchedSentenceSet{*edited}, "watched");
  gap(frame.look, 5);
  watch_notes(frame);
}

void draw_train_rail(const Frame& frame) {
  train_run(frame);
  rule(frame.look);
  train_form(frame);
  rule(frame.look);
  train_data(frame);
  rule(frame.look);
  train_budget(frame);
  rule(frame.look);
  train_watch(frame);
  gap(frame.look, 8);
}

}  // namespace headroom
