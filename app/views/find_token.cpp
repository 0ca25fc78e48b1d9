#include "app/views/find_token.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <string>

#include "app/widgets/controls.h"
#include "app/widgets/input.h"
#include "core/figure/head_window.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

/// Of the text that one frame looks through: well under a millisecond.
constexpr std::size_t kBytesAFrame = 128u << 10;

constexpr const char* kHelp =
    "Find a token\nEvery place in the text where these words begin. Small letters find capitals too; <unk> finds words that the "
    "model "
    "does not know. Enter goes to the next one, Shift+Enter back; each step chooses that token's row (Ctrl+F).";

void go_to(const Frame& frame, std::optional<std::int64_t> token) {
  if (!token || frame.session.view.query == token) return;
  const auto n = static_cast<std::int64_t>(frame.snapshot->seq());
  // One step of undo, named after the row.
  if (const auto moved = bringing_into_view(frame.session.view, n, token, std::nullopt)) frame.send(*moved, "find");
  frame.send(QuerySelected{*token}, "find");
}

/// "17 of 212", or how many there are while none of them is chosen.
std::string count_of(const Frame& frame) {
  const TokenSearch& search = frame.state.find.search;
  const auto n = static_cast<std::int64_t>(search.found().size());
  if (!search.is_done()) return count_text(n) + " so far…";
  if (n == 0) return "none";
  const auto place = frame.session.view.query ? search.place_of(*frame.session.view.query) : std::nullopt;
  if (place) return count_text(static_cast<std::int64_t>(*place) + 1) + " of " + count_text(n);
  return count_text(n) + " found";
}

/// Small square buttons for the two directions. Returns +1, -1 or 0.
int step_buttons(const Frame& frame) {
  const Look& look = frame.look;
  const Enabled enabled = frame.state.find.search.found().empty() ? Enabled::kNo : Enabled::kYes;
  const float side = look.px(24);
  int step = 0;
  ImGui::SameLine(0, look.px(4));
  if (button(look, {.name = "rail/find/previous",
                    .label = "‹",
                    .tooltip = "The one before (Shift+Enter or ↑ in the field).",
                    .enabled = enabled,
                    .width = side}))
    step = -1;
  ImGui::SameLine(0, look.px(4));
  if (button(look, {.name = "rail/find/next",
                    .label = "›",
                    .tooltip = "The next one (Enter or ↓ in the field).",
                    .enabled = enabled,
                    .width = side}))
    step = 1;
  return step;
}

int step_by_keys() {
  if (pressed(Key::kUp, KeyRepeat::kOn)) return -1;
  if (pressed(Key::kDown, KeyRepeat::kOn)) return 1;
  if (!pressed(Key::kEnter, KeyRepeat::kOn)) return 0;
  return modifiers_down().shift ? -1 : 1;
}

void follow_search(const Frame& frame) {
  FindState& find = frame.state.find;
  find.search.look_for(frame.model.snapshot, find.words.data());
  if (!find.search.step(kBytesAFrame)) frame.wake_after(0);
}

}  // namespace

void open_find(const Frame& frame) {
  frame.state.find.is_open = true;
  frame.state.find.takes_focus = true;
  frame.wake_after(0);
}

bool is_found_token(const Frame& frame, std::int64_t token) { return frame.state.find.search.has(token); }

void draw_find_token(const Frame& frame, FindField when) {
  FindState& find = frame.state.find;
  if (when == FindField::kWhenOpened && !find.is_open) {
    find.search.look_for(nullptr, {});
    return;
  }
  const Look& look = frame.look;
  follow_search(frame);

  const float buttons = 2 * look.px(28);
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(look.px(8), (look.px(24) - ImGui::GetFontSize()) / 2));
  ImGui::SetNextItemWidth(ImGui::GetContentRegionAvail().x - buttons);
  if (find.takes_focus) {
    ImGui::SetKeyboardFocusHere();
    ImGui::SetScrollHereY();
  }
  find.takes_focus = false;
  ImGui::InputTextWithHint("##find", "Find a token…", find.words.data(), find.words.size(), ImGuiInputTextFlags_AutoSelectAll);
  ImGui::PopStyleVar();
  const bool is_active = ImGui::IsItemActive();
  const bool was_left = ImGui::IsItemDeactivated();
  tooltip(look, kHelp);
  record_last_item("rail/find");
  int step = step_buttons(frame);
  // Enter ends ImGui's editing; the keyboard stays here for the next one.
  if (step == 0 && (is_active || was_left)) {
    step = step_by_keys();
    if (step != 0 && was_left) find.takes_focus = true;
  }
  if (was_left && pressed(Key::kEscape)) {
    find.words.fill('\0');
    find.is_open = false;
  }
  if (find.takes_focus) frame.wake_after(0);
  if (step != 0 && frame.snapshot != nullptr) {
    find.search.look_for(frame.model.snapshot, find.words.data());
    find.search.finish();
    const std::optional<std::int64_t> from = frame.session.view.query;
    go_to(frame, step > 0 ? find.search.after(from) : find.search.before(from));
  }
  gap(look, 4);
  if (find.words[0] != '\0') {
    paragraph(look, count_of(frame), small_text(look));
    gap(look, 4);
  }
}

}  // namespace headroom
