#include <imgui.h>

#include <algorithm>
#include <string>

#include "app/widgets/controls.h"
#include "app/widgets/input.h"

namespace headroom {
namespace {

/// Left and right step through the choices of a focused control.
std::optional<int> step_by_keys(const Look& look, const ItemState& state, int selected, std::size_t n) {
  if (!state.is_focused || !letters_are_free(look)) return std::nullopt;
  const int step = (pressed(Key::kRight) || pressed(Key::kDown) ? 1 : 0) - (pressed(Key::kLeft) || pressed(Key::kUp) ? 1 : 0);
  const int next = selected + step;
  if (step == 0 || next < 0 || next >= static_cast<int>(n)) return std::nullopt;
  return next;
}

}  // namespace

std::optional<int> segmented(const Look& look, std::span<const MenuChoice> choices, int selected, float width) {
  const Theme& theme = look.theme;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float height = look.px(26), radius = look.px(5), each = width / static_cast<float>(choices.size());
  fill_rect(list, {at.x, at.y, width, height}, theme.window, radius);
  std::optional<int> result;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const int index = static_cast<int>(i);
    const MenuChoice& choice = choices[i];
    ImGui::SetCursorScreenPos(ImVec2(at.x + each * static_cast<float>(i), at.y));
    const ItemState state = item(look, {.name = choice.name, .w = each, .h = height, .tooltip = choice.tooltip});
    const bool is_selected = index == selected;
    if (is_selected) {
      fill_rect(list, {state.rect.x + 1, state.rect.y + 1, each - 2, height - 2}, theme.raised, radius);
    }
    TextStyle style{.face = is_selected ? FontFace::kSansMedium : FontFace::kSans,
                    .size = kSmallTextSize,
                    .color = is_selected || state.is_hovered ? theme.text : theme.text_dim};
    const TextExtent extent = text_extent(look, choice.label, style);
    draw_text(look, list, {state.rect.x + (each - extent.w) / 2, at.y + (height - extent.h) / 2}, choice.label, style);
    if (state.is_clicked && !is_selected) result = index;
    if (const auto stepped = step_by_keys(look, state, selected, choices.size())) result = stepped;
  }
  stroke_rect(list, {at.x, at.y, width, height}, theme.border, radius);
  return result;
}

float inline_dropdown_width(const Look& look, std::string_view label, std::string_view value) {
  const float text = text_extent(look, label, small_text(look)).w + text_extent(look, value, small_text(look)).w;
  return text + look.px(label.empty() ? 14 : 18);
}

std::optional<int> dropdown(const Look& look, const Dropdown& spec) {
  const Theme& theme = look.theme;
  const bool is_box = spec.form == Dropdown::Form::kBox;
  const float width = spec.width > 0 ? spec.width : inline_dropdown_width(look, spec.label, spec.value);
  const float height = look.px(is_box ? 32 : 22);
  const ItemState state = item(look, {.name = spec.name, .w = width, .h = height, .tooltip = spec.tooltip});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const double x = state.rect.x, y = state.rect.y;
  if (is_box) {
    fill_rect(list, state.rect, theme.window, look.px(6));
    stroke_rect(list, state.rect, state.is_hovered ? theme.text_faint : theme.border, look.px(6));
    draw_text_fitted(look, list, {x + look.px(10), y + (height - text_extent(look, spec.value, body_text(look)).h) / 2.0},
                     spec.value, body_text(look), width - look.px(34));
    draw_chevron(look, list, {x + width - look.px(15), y + height / 2.0}, theme.text_dim);
  } else {
    TextStyle style = small_text(look);
    const TextExtent label = text_extent(look, spec.label, style);
    const double top = y + (height - label.h) / 2;
    const TextExtent value_extent = text_extent(look, spec.value, style);
    // Right-aligned, so that a row of them ends at the panel's edge.
    const double value_left =
        spec.width > 0 ? x + width - look.px(12) - value_extent.w : x + label.w + look.px(spec.label.empty() ? 0 : 4);
    draw_text(look, list, {x, top}, spec.label, style);
    style.color = theme.text;
    draw_text(look, list, {value_left, y + (height - value_extent.h) / 2}, spec.value, style);
    draw_chevron(look, list, {value_left + value_extent.w + look.px(7), y + height / 2.0}, theme.text_dim);
  }

  const std::string popup(spec.name);
  if (state.is_clicked) ImGui::OpenPopup(popup.c_str());
  std::optional<int> result = step_by_keys(look, state, spec.selected, spec.choices.size());
  ImGui::SetNextWindowPos(ImVec2(static_cast<float>(is_box ? x : x + width), static_cast<float>(y + height + look.px(3))),
                          ImGuiCond_Always, ImVec2(is_box ? 0.0f : 1.0f, 0.0f));
  if (is_box) ImGui::SetNextWindowSizeConstraints(ImVec2(width, 0), ImVec2(FLT_MAX, look.px(420)));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(look.px(8), look.px(8)));
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(look.px(8), look.px(7)));
  if (ImGui::BeginPopup(popup.c_str())) {
    for (std::size_t i = 0; i < spec.choices.size(); ++i) {
      const MenuChoice& choice = spec.choices[i];
      const int index = static_cast<int>(i);
      ImGui::PushID(index);
      const std::string label(choice.label);
      if (ImGui::Selectable(label.c_str(), index == spec.selected, 0,
                            ImVec2(std::max(0.0f, ImGui::CalcTextSize(label.c_str()).x), 0))) {
        result = index;
      }
      if (ImGui::IsWindowAppearing() && index == spec.selected) ImGui::SetItemDefaultFocus();
      tooltip(look, choice.tooltip);
      record_last_item(choice.name.empty() ? choice.label : choice.name);
      ImGui::PopID();
    }
    ImGui::EndPopup();
  }
  ImGui::PopStyleVar(2);
  return result;
}

}  // namespace headroom
