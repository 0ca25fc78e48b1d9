#include <imgui.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "app/views/commands.h"
#include "app/views/dialog.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

/// One line of the sheet: keys in a column of their own. Returns the height used.
float sheet_line(const Frame& frame, Point at, float width, std::string_view keys, std::string_view help) {
  const Look& look = frame.look;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const float column = look.px(104);
  TextStyle key = number_text(look);
  draw_text_fitted(look, list, at, keys, key, column - look.px(8));
  const float wrap = width - column;
  draw_text(look, list, {at.x + column, at.y}, help, small_text(look), wrap);
  return std::max(text_extent(look, help, small_text(look), wrap).h, look.px(kSmallTextSize)) + look.px(6);
}

void close_button(const Frame& frame) {
  gap(frame.look, 8);
  const float width = button_width(frame.look, "Close");
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImGui::SetCursorScreenPos(ImVec2(at.x + ImGui::GetContentRegionAvail().x - width, at.y));
  if (button(frame.look, {.name = "dialog/close", .label = "Close", .tooltip = "Closes this window (Esc)."})) close_dialog(frame);
}

}  // namespace

void draw_keys_dialog(const Frame& frame) {
  if (!begin_dialog(frame, DialogKind::kKeys, "Keyboard and mouse", 820)) return;
  const Look& look = frame.look;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float width = ImGui::GetContentRegionAvail().x, column = (width - look.px(24)) / 2;
  float y[2] = {at.y, at.y};
  std::size_t n_keys = 0;
  for (const CommandInfo& command : all_commands())
    n_keys += command.keys.key != Key::kNone ? 1 : 0;
  std::size_t done = 0;
  for (const CommandInfo& command : all_commands()) {
    if (command.keys.key == Key::kNone) continue;
    const std::size_t side = done++ < (n_keys + all_gestures().size() + 1) / 2 ? 0 : 1;
    const float x = at.x + static_cast<float>(side) * (column + look.px(24));
    y[side] += sheet_line(frame, {x, y[side]}, column, chord_text(command.keys), command.help);
  }
  const float x = at.x + column + look.px(24);
  y[1] += look.px(6);
  for (const Gesture& gesture : all_gestures())
    y[1] += sheet_line(frame, {x, y[1]}, column, gesture.keys, gesture.help);
  ImGui::SetCursorScreenPos(ImVec2(at.x, std::max(y[0], y[1])));
  ImGui::Dummy(ImVec2(width, 0));
  close_button(frame);
  end_dialog();
}

void draw_about_dialog(const Frame& frame) {
  if (!begin_dialog(frame, DialogKind::kAbout, "Headroom " HEADROOM_VERSION, 480)) return;
  const Look& look = frame.look;
  TextStyle body = body_text(look);
  paragraph(look, "See every attention head, and what it costs.", body);
  gap(look, 6);
  paragraph(look, "Computes with: " + frame.model.backend_text, small_text(look));
  if (!frame.model.backend_reason.empty()) paragraph(look, frame.model.backend_reason, small_text(look));
  gap(look, 4);
  paragraph(look,
            "Every picture is computed on this machine from the model's own parameters; nothing leaves it. Attention is evaluated "
            "from q, k and each row's "
            "log-sum-exp, so no n × n matrix is ever stored.",
            small_text(look));
  close_button(frame);
  end_dialog();
}

}  // namespace headroom
