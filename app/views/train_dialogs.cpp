#include <imgui.h>

#include <string>

#include "app/views/browser.h"
#include "app/views/dialog.h"
#include "app/views/train_plan_edit.h"
#include "app/widgets/controls.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

std::filesystem::path beside_session(const Frame& frame, const std::string& name) {
  return (frame.model.session_path.empty() ? home_folder() : frame.model.session_path.parent_path()) / name;
}

}  // namespace

void draw_train_text_dialog(const Frame& frame) {
  if (frame.state.opens_dialog) {
    const std::string& path = frame.session.train.data.path;
    start_browser(frame, path.empty() ? std::filesystem::path(home_folder().string() + "/") : std::filesystem::path(path));
  }
  if (!begin_dialog(frame, DialogKind::kTrainText, "Open a text to train on", 620)) return;
  bool is_settled = draw_browser(frame, {.name = "dialog/text_file", .endings = ".txt .md .text"});
  paragraph(frame.look,
            "A text file in UTF-8 of some thousand words or more. It is read when training begins; nothing leaves this machine.",
            small_text(frame.look));
  const std::filesystem::path path = browsed_path(frame);
  is_settled |= dialog_buttons(frame, {.name = "dialog/confirm",
                                       .label = "Train on it",
                                       .tooltip = "Takes this file into the plan.",
                                       .enabled = path.has_filename() ? Enabled::kYes : Enabled::kNo});
  if (is_settled && path.has_filename()) {
    change_plan(frame, "", [&](TrainPlan& plan) {
      plan.data.kind = DataKind::kText;
      plan.data.path = path.string();
      plan.start = {};
    });
    close_dialog(frame);
  }
  end_dialog();
}

void draw_train_folder_dialog(const Frame& frame) {
  if (frame.state.opens_dialog) start_browser(frame, beside_session(frame, "trained-model"));
  if (!begin_dialog(frame, DialogKind::kTrainFolder, "Save the state as a model folder", 620)) return;
  bool is_settled =
      draw_browser(frame, {.name = "dialog/folder", .picks = BrowserSpec::Picks::kNewFile, .endings = ".json .safetensors"});
  const std::filesystem::path path = browsed_path(frame);
  const bool is_kept_state = frame.session.train_view.at.has_value();
  paragraph(
      frame.look,
      is_kept_state
          ? "config.json, model.safetensors, tokenizer.json and a README of the state that is looked at. An earlier state keeps no "
            "moments of the optimiser: it can be used and healed, but not trained on exactly."
          : "config.json, model.safetensors, tokenizer.json, a README, and all that training on exactly takes.",
      small_text(frame.look));
  is_settled |= dialog_buttons(frame, {.name = "dialog/confirm",
                                       .label = "Save",
                                       .tooltip = "Writes the folder whole, or not at all.",
                                       .enabled = path.has_filename() ? Enabled::kYes : Enabled::kNo});
  if (is_settled && path.has_filename()) {
    frame.command(SaveTrained{path});
    close_dialog(frame);
  }
  end_dialog();
}

void draw_train_plan_dialog(const Frame& frame) {
  if (frame.state.opens_dialog) start_browser(frame, beside_session(frame, "plan.json"));
  if (!begin_dialog(frame, DialogKind::kTrainPlan, "Save the training plan", 620)) return;
  bool is_settled = draw_browser(frame, {.name = "dialog/plan", .picks = BrowserSpec::Picks::kNewFile, .endings = ".json"});
  std::filesystem::path path = browsed_path(frame);
  if (path.has_filename() && !path.has_extension()) path += ".json";
  const bool replaces = path.has_filename() && is_listed(frame, path);
  paragraph(frame.look,
            replaces ? "A file of this name is there; it will be replaced."
                     : "Then this trains the same without a window: headroom train --config FILE --out DIR",
            small_text(frame.look));
  is_settled |= dialog_buttons(frame, {.name = "dialog/confirm",
                                       .label = replaces ? "Replace" : "Save",
                                       .tooltip = "Writes the file whole, or not at all.",
                                       .enabled = path.has_filename() ? Enabled::kYes : Enabled::kNo});
  if (is_settled && path.has_filename()) {
    frame.command(SaveTrainPlan{path});
    close_dialog(frame);
  }
  end_dialog();
}

void draw_closing_dialog(const Frame& frame) {
  const Look& look = frame.look;
  const TrainingState& training = frame.model.training;
  if (!begin_dialog(frame, DialogKind::kClosing, "Training is going on", 460)) {
    frame.command(AnswerClosing{ClosingAnswer::kGoOn});
    return;
  }
  const RunReport* report = training.report();
  const bool is_saving = !training.saving.empty();
  std::string text = "The run can be kept and go on the next time, exactly where it is";
  if (report != nullptr) text += ": at " + short_tokens(report->tokens) + " of " + short_tokens(report->tokens_planned) + " tokens";
  paragraph(look, text + ". The pictures of its earlier states are not kept.", small_text(look));
  if (is_saving) paragraph(look, "Writing it…", body_text(look));
  gap(look, 8);
  struct ClosingChoice {
    const char *name, *label, *tooltip;
    ClosingAnswer answer;
    Button::Kind kind;
  };
  constexpr ClosingChoice choices[] = {
      {"closing/go_on", "Go on", "The window stays, training goes on (Esc).", ClosingAnswer::kGoOn, Button::Kind::kPlain},
      {"closing/quit", "Quit", "Closes the program; the run is lost.", ClosingAnswer::kQuit, Button::Kind::kPlain},
      {"closing/keep", "Keep the training and quit", "Writes the run to your state folder, then closes the program.",
       ClosingAnswer::kKeepAndQuit, Button::Kind::kPrimary}};
  float width = look.px(16);
  for (const ClosingChoice& choice : choices)
    width += button_width(look, choice.label);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  float x = at.x + ImGui::GetContentRegionAvail().x - width;
  for (const ClosingChoice& choice : choices) {
    ImGui::SetCursorScreenPos(ImVec2(x, at.y));
    x += button_width(look, choice.label) + look.px(8);
    const Enabled enabled = is_saving ? Enabled::kNo : Enabled::kYes;
    if (button(look,
               {.name = choice.name, .label = choice.label, .tooltip = choice.tooltip, .enabled = enabled, .kind = choice.kind})) {
      frame.command(AnswerClosing{choice.answer});
      if (choice.answer == ClosingAnswer::kGoOn) close_dialog(frame);
    }
  }
  const bool was_escaped = frame.state.dialog != DialogKind::kClosing;
  end_dialog();
  if (was_escaped) frame.command(AnswerClosing{ClosingAnswer::kGoOn});
}

}  // namespace headroom
