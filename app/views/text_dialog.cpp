#include <imgui.h>

#include <algorithm>

#include "app/views/dialog.h"
#include "app/widgets/controls.h"
#include "app/widgets/input.h"

namespace headroom {
namespace {

constexpr double kWidth = 860;  ///< logical pixels
constexpr double kBurstSeconds = 0.8;
constexpr std::size_t kMaxDraftBytes = 64u << 20;  ///< of all steps together

void begin_draft(const Frame& frame) {
  TextDialogState& draft = frame.state.text_dialog;
  draft = {};
  draft.box.takes_focus = true;
  draft.steps.push_back({frame.session.compute.text, {}});
}

/// Typing in one go is one step; what had been taken back is forgotten.
void note_edit(TextDialogState& draft, SharedText text, double now) {
  const bool goes_on = draft.at > 0 && now < draft.edited_at + kBurstSeconds && draft.at + 1 == draft.steps.size();
  draft.edited_at = now;
  TextDialogState::Step step{std::move(text), draft.box.cursor};
  if (goes_on) {
    draft.steps[draft.at] = std::move(step);
    return;
  }
  draft.steps.erase(draft.steps.begin() + static_cast<std::ptrdiff_t>(draft.at) + 1, draft.steps.end());
  draft.steps.push_back(std::move(step));
  const std::size_t bytes = std::max<std::size_t>(draft.steps.back().text.size(), 1);
  const std::size_t most = std::max<std::size_t>(2, kMaxDraftBytes / bytes);
  if (draft.steps.size() > most) draft.steps.erase(draft.steps.begin(), draft.steps.end() - static_cast<std::ptrdiff_t>(most));
  draft.at = draft.steps.size() - 1;
}

void step_by_keys(TextDialogState& draft) {
  const ImGuiIO& io = ImGui::GetIO();
  if (!io.KeyCtrl) return;
  const std::size_t before = draft.at;
  const bool redoes = pressed(Key::kY, KeyRepeat::kOn) || (io.KeyShift && pressed(Key::kZ, KeyRepeat::kOn));
  if (redoes && draft.at + 1 < draft.steps.size()) ++draft.at;
  if (!redoes && pressed(Key::kZ, KeyRepeat::kOn) && draft.at > 0) --draft.at;
  if (draft.at == before) return;
  draft.box.cursor = draft.steps[draft.at].cursor;
  draft.edited_at = -kBurstSeconds;
}

}  // namespace

void draw_text_dialog(const Frame& frame) {
  const Look& look = frame.look;
  TextDialogState& draft = frame.state.text_dialog;
  if (frame.state.opens_dialog || draft.steps.empty()) begin_draft(frame);
  if (!begin_dialog(frame, DialogKind::kText, "The text", kWidth)) return;
  // Known in the first frame already: a long text is wrapped once.
  const float width = std::min(look.px(kWidth), ImGui::GetIO().DisplaySize.x - look.px(24)) - look.px(40);
  const double room = ImGui::GetIO().DisplaySize.y / static_cast<double>(look.scale) - 210;
  const int n_lines = static_cast<int>(std::clamp(room / 18, 4.0, 32.0));
  const auto edited = sentence_box(look,
                                   {.name = "dialog/text",
                                    .tooltip = "The whole text. Ctrl+Z and Ctrl+Y go through what was typed here.",
                                    .placeholder = "Type or paste a text…",
                                    .text = draft.steps[draft.at].text,
                                    .width = width,
                                    .min_lines = n_lines,
                                    .max_lines = n_lines},
                                   draft.box);
  if (edited) note_edit(draft, *edited, ImGui::GetTime());
  step_by_keys(draft);
  paragraph(look, "Nothing is computed until the text is taken over; then it is one step of undo.", small_text(look));
  const bool is_by_key = ImGui::GetIO().KeyCtrl && pressed(Key::kEnter);
  const bool is_taken = dialog_buttons(frame, {.name = "dialog/confirm",
                                               .label = "Take over",
                                               .tooltip = "Makes this the text that the heads read (Ctrl+Enter).",
                                               .enabled = draft.steps[draft.at].text.empty() ? Enabled::kNo : Enabled::kYes});
  if ((is_taken || is_by_key) && !draft.steps[draft.at].text.empty()) {
    frame.send(TextEdited{draft.steps[draft.at].text});
    close_dialog(frame);
  }
  if (frame.state.dialog != DialogKind::kText) draft = {};  // a long text is not held for nothing
  end_dialog();
}

}  // namespace headroom
