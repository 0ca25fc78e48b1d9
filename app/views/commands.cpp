#include "app/views/commands.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "app/views/command_groups.h"

namespace headroom {
namespace {

using enum Key;

constexpr Gesture kGestures[] = {
    {"Click", "Heads: open a head. Head: choose a cell. Token chips: choose a token."},
    {"Ctrl+click", "Prune a head, or put it back."},
    {"Shift+click", "Train: compare with the state under the pointer."},
    {"Wheel", "Zoom into the picture under the pointer."},
    {"Drag", "Move a zoomed picture. On the small picture beside it: choose which part the large one shows."},
    {"Double-click", "On a slider's number: type it."},
    {"Tab, Shift+Tab", "The next or previous control; arrow keys step it, Enter or Space presses it."},
    {"Drop", "A text file, a session or a model folder on the window opens it."},
};

}  // namespace

std::span<const CommandInfo> all_commands() {
  static const std::vector<CommandInfo> all = [] {
    std::vector<CommandInfo> joined;
    for (const auto group : {file_and_edit_commands(), stage_commands(), train_and_speed_commands(), decode_commands(),
                             picture_commands(), move_and_model_commands()})
      joined.insert(joined.end(), group.begin(), group.end());
    return joined;
  }();
  return all;
}

const CommandInfo* find_command(std::string_view id) {
  const std::span<const CommandInfo> commands = all_commands();
  const auto found = std::ranges::find_if(commands, [&](const CommandInfo& command) { return id == command.id; });
  return found == commands.end() ? nullptr : &*found;
}

std::span<const Gesture> all_gestures() { return kGestures; }

void run_shortcuts(const Frame& frame) {
  // A dialog has all keys for itself; Esc folds a menu or a list up again.
  if (ImGui::IsPopupOpen("", ImGuiPopupFlags_AnyPopupId | ImGuiPopupFlags_AnyPopupLevel)) {
    if (frame.state.dialog == DialogKind::kNone && pressed(kEscape)) ImGui::ClosePopupToLevel(0, true);
    return;
  }
  const bool is_typing = !letters_are_free(frame.look);
  for (const CommandInfo& command : all_commands()) {
    // Function keys and Ctrl never write a character.
    const bool is_safe = command.keys.modifiers.ctrl || command.keys.key == kF1 || command.keys.key == kF11;
    if (is_typing && !is_safe) continue;
    // A control that Tab reached has the arrows, Enter, Space and Esc for itself.
    const bool is_of_controls = std::string_view(command.id).starts_with("move/") || command.keys.key == kSpace;
    if (!is_safe && frame.look.memory.shows_focus && is_of_controls) {
      if (command.keys.key == kEscape && pressed(command.keys)) {
        frame.look.memory.shows_focus = false;
        frame.look.memory.focused = 0;
      }
      continue;
    }
    if (pressed(command.keys, command.is_repeatable ? KeyRepeat::kOn : KeyRepeat::kOff) && command.enabled(frame))
      command.run(frame);
  }
}

void open_dialog(const Frame& frame, DialogKind kind) {
  frame.state.dialog = kind;
  frame.state.opens_dialog = true;
  frame.wake_after(0);
}

void change_ui_scale(const Frame& frame, double factor) {
  Settings settings = frame.model.settings;
  settings.ui_scale = factor == 0 ? 1.0 : std::clamp(settings.ui_scale * factor, 0.75, 3.0);
  if (std::abs(settings.ui_scale - 1) < 0.02) settings.ui_scale = 1;  // steps up and down meet at 100 % again
  frame.command(ChangeSettings{settings});
}

const char* colormap_label(ColorMapName map) { return colormap_name(map); }

}  // namespace headroom
