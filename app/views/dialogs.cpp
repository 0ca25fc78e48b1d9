#include <imgui.h>

#include <string>
#include <utility>

#include "app/views/browser.h"
#include "app/views/commands.h"
#include "app/views/dialog.h"
#include "app/widgets/controls.h"
#include "app/widgets/input.h"

namespace headroom {
namespace {

void draw_open(const Frame& frame) {
  if (frame.state.opens_dialog) {
    std::error_code ignored;
    const std::filesystem::path here = std::filesystem::current_path(ignored);
    start_browser(frame, (ignored ? home_folder() : here).string() + "/");
  }
  if (!begin_dialog(frame, DialogKind::kOpen, "Open a text, a session, a model folder or a capture", 620)) return;
  bool is_settled = draw_browser(frame, {.name = "dialog/open", .endings = ".json .txt .md .text .safetensors .npz .npy .pt"});
  paragraph(frame.look,
            "A text file in UTF-8, whose words every head then reads; a *.headroom.json session; or a Hugging Face folder with "
            "config.json, model.safetensors and tokenizer.json; or attention captured elsewhere, as *.safetensors, *.npz or *.npy.",
            small_text(frame.look));
  const std::filesystem::path path = browsed_path(frame);
  is_settled |= dialog_buttons(frame, {.name = "dialog/confirm",
                                       .label = "Open",
                                       .tooltip = "Opens what the path names.",
                                       .enabled = path.empty() ? Enabled::kNo : Enabled::kYes});
  if (is_settled && !path.empty()) {
    frame.command(OpenPath{path});
    close_dialog(frame);
  }
  end_dialog();
}

void draw_save_as(const Frame& frame) {
  if (frame.state.opens_dialog) {
    start_browser(frame, frame.model.session_path.empty() ? home_folder() / "untitled.headroom.json" : frame.model.session_path);
  }
  if (!begin_dialog(frame, DialogKind::kSaveAs, "Save the session as", 620)) return;
  bool is_settled = draw_browser(frame, {.name = "dialog/save", .picks = BrowserSpec::Picks::kNewFile, .endings = ".json"});
  std::filesystem::path path = browsed_path(frame);
  const bool has_name = path.has_filename();
  if (has_name && !path.has_extension()) path += ".headroom.json";
  const bool replaces = has_name && is_listed(frame, path);
  paragraph(frame.look,
            replaces ? "A file of this name is there; it will be replaced."
                     : "A session is a small text file: the sentence, the model's name, the shape and the view.",
            small_text(frame.look));
  is_settled |= dialog_buttons(frame, {.name = "dialog/confirm",
                                       .label = replaces ? "Replace" : "Save",
                                       .tooltip = "Writes the file whole, or not at all.",
                                       .enabled = has_name ? Enabled::kYes : Enabled::kNo});
  if (is_settled && has_name) {
    frame.command(SaveSession{path});
    close_dialog(frame);
  }
  end_dialog();
}

const char* popup_id(DialogKind kind) {
  switch (kind) {
    case DialogKind::kOpen:
      return "##dialog open";
    case DialogKind::kSaveAs:
      return "##dialog save";
    case DialogKind::kExport:
      return "##dialog export";
    case DialogKind::kKeys:
      return "##dialog keys";
    case DialogKind::kText:
      return "##dialog text";
    case DialogKind::kTrainText:
      return "##dialog train text";
    case DialogKind::kTrainFolder:
      return "##dialog train folder";
    case DialogKind::kTrainPlan:
      return "##dialog train plan";
    case DialogKind::kClosing:
      return "##dialog closing";
    default:
      return "##dialog about";
  }
}

}  // namespace

bool dialog_buttons(const Frame& frame, const Button& confirm) {
  const Look& look = frame.look;
  gap(look, 6);
  const float width = button_width(look, confirm.label) + look.px(16), cancel = button_width(look, "Cancel");
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float right = at.x + ImGui::GetContentRegionAvail().x;
  ImGui::SetCursorScreenPos(ImVec2(right - width - cancel - look.px(8), at.y));
  if (button(look, {.name = "dialog/cancel", .label = "Cancel", .tooltip = "Closes this dialog; nothing changes (Esc)."}))
    close_dialog(frame);
  ImGui::SetCursorScreenPos(ImVec2(right - width, at.y));
  Button sized = confirm;
  sized.width = width;
  sized.kind = Button::Kind::kPrimary;
  return button(look, sized);
}

bool begin_dialog(const Frame& frame, DialogKind kind, const char* title, double width) {
  const Look& look = frame.look;
  if (frame.state.opens_dialog) {
    frame.state.opens_dialog = false;
    ImGui::OpenPopup(popup_id(kind));
  }
  const ImVec2 display = ImGui::GetIO().DisplaySize;
  const float w = std::min(look.px(width), display.x - look.px(24));
  ImGui::SetNextWindowPos(ImVec2(display.x / 2, display.y / 2), ImGuiCond_Always, ImVec2(0.5f, 0.5f));
  ImGui::SetNextWindowSizeConstraints(ImVec2(w, 0), ImVec2(w, display.y - look.px(24)));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(look.px(20), look.px(18)));
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(look.px(8), look.px(6)));
  const bool is_open = ImGui::BeginPopupModal(
      popup_id(kind), nullptr,
      ImGuiWindowFlags_NoTitleBar | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings | ImGuiWindowFlags_AlwaysAutoResize);
  if (!is_open) {
    ImGui::PopStyleVar(2);
    if (frame.state.dialog == kind) frame.state.dialog = DialogKind::kNone;  // closed from outside
    return false;
  }
  paragraph(look, title, {.face = FontFace::kSansMedium, .size = kHeadingSize, .color = frame.theme.text});
  ImGui::Dummy(ImVec2(w - look.px(40), 0));
  if (pressed(Key::kEscape) || std::exchange(frame.state.closes_dialog, false)) close_dialog(frame);
  return true;
}

void end_dialog() {
  ImGui::EndPopup();
  ImGui::PopStyleVar(2);
}

void close_dialog(const Frame& frame) {
  frame.state.dialog = DialogKind::kNone;
  ImGui::CloseCurrentPopup();
}

void draw_dialogs(const Frame& frame) {
  const bool asks = frame.model.training.asks_to_close;
  if (asks && frame.state.dialog == DialogKind::kNone) open_dialog(frame, DialogKind::kClosing);
  if (!asks && frame.state.dialog == DialogKind::kClosing) frame.state.closes_dialog = true;
  switch (frame.state.dialog) {
    case DialogKind::kNone:
      break;
    case DialogKind::kOpen:
      draw_open(frame);
      break;
    case DialogKind::kSaveAs:
      draw_save_as(frame);
      break;
    case DialogKind::kExport:
      draw_export_dialog(frame);
      break;
    case DialogKind::kKeys:
      draw_keys_dialog(frame);
      break;
    case DialogKind::kAbout:
      draw_about_dialog(frame);
      break;
    case DialogKind::kText:
      draw_text_dialog(frame);
      break;
    case DialogKind::kTrainText:
      draw_train_text_dialog(frame);
      break;
    case DialogKind::kTrainFolder:
      draw_train_folder_dialog(frame);
      break;
    case DialogKind::kTrainPlan:
      draw_train_plan_dialog(frame);
      break;
    case DialogKind::kClosing:
      draw_closing_dialog(frame);
      break;
  }
}

}  // namespace headroom
