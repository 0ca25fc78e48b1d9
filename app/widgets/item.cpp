#include "app/widgets/item.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <string>

#include "app/widgets/input.h"
#include "app/widgets/widget_map.h"

namespace headroom {

ItemState item(const Look& look, const ItemSpec& spec) {
  ItemState state;
  WidgetMemory& memory = look.memory;
  const bool is_enabled = spec.enabled == Enabled::kYes;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float w = std::max(spec.w, 1.0f), h = std::max(spec.h, 1.0f);
  state.rect = {at.x, at.y, w, h};
  const char* begin = spec.name.data();
  state.id = ImGui::GetCurrentWindow()->GetID(begin, begin + spec.name.size());
  ImGui::PushID(begin, begin + spec.name.size());
  const bool is_clicked = ImGui::InvisibleButton("##item", ImVec2(w, h));
  ImGui::PopID();
  const bool is_hovered = ImGui::IsItemHovered();
  if (is_enabled) {
    state.is_clicked = is_clicked;
    state.is_hovered = is_hovered;
    state.is_held = ImGui::IsItemActive();
    state.is_double_clicked = is_hovered && ImGui::IsMouseDoubleClicked(ImGuiMouseButton_Left);
    if (spec.focusable == Focusable::kYes) {
      memory.order.push_back(state.id);
      if (state.is_held) memory.focused = state.id;
      state.is_focused = memory.focused == state.id && memory.shows_focus;
      if (state.is_focused) {
        stroke_rect(*ImGui::GetWindowDrawList(), {at.x - look.px(3), at.y - look.px(2), w + look.px(6), h + look.px(4)},
                    look.theme.accent, look.px(4));
        if (!ImGui::IsItemVisible()) ImGui::SetScrollHereY();
        if (letters_are_free(look) && (pressed(Key::kEnter) || pressed(Key::kSpace))) state.is_clicked = true;
      }
    }
  }
  tooltip(look, spec.tooltip);
  record_rect(spec.name, state.rect);
  return state;
}

void record_rect(std::string_view name, const Rect& rect) {
  if (!widget_map::is_on()) return;
  widget_map::record(std::string(name), static_cast<float>(rect.x), static_cast<float>(rect.y), static_cast<float>(rect.w),
                     static_cast<float>(rect.h));
}

void record_last_item(std::string_view name) {
  const ImVec2 from = ImGui::GetItemRectMin(), size = ImGui::GetItemRectSize();
  record_rect(name, {from.x, from.y, size.x, size.y});
}

}  // namespace headroom
