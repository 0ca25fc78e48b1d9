#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/widgets/controls.h"

namespace headroom {

float button_width(const Look& look, std::string_view label) { return text_extent(look, label, small_text(look)).w + look.px(20); }

bool button(const Look& look, const Button& spec) {
  const Theme& theme = look.theme;
  const float width = spec.width > 0 ? spec.width : button_width(look, spec.label);
  const ItemState state =
      item(look, {.name = spec.name, .w = width, .h = look.px(24), .tooltip = spec.tooltip, .enabled = spec.enabled});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const bool is_enabled = spec.enabled == Enabled::kYes;
  const bool is_primary = spec.kind == Button::Kind::kPrimary && is_enabled;
  Color fill = is_primary ? theme.accent : theme.raised;
  if (state.is_hovered) fill = mix(fill, theme.text, 0.12);
  fill_rect(list, state.rect, fill, look.px(5));
  stroke_rect(list, state.rect, is_primary ? fill : theme.border, look.px(5));
  TextStyle style = small_text(look);
  const Color over =
      contrast(theme.accent, theme.on_light) > contrast(theme.accent, theme.on_dark) ? theme.on_light : theme.on_dark;
  style.color = is_primary ? over : is_enabled ? theme.text : theme.text_faint;
  const TextExtent extent = text_extent(look, spec.label, style);
  const double left = state.rect.x + std::max(look.px(6), (width - extent.w) / 2);
  draw_text_fitted(look, list, {left, state.rect.y + (state.rect.h - extent.h) / 2}, spec.label, style, width - look.px(8));
  return state.is_clicked;
}

bool link(const Look& look, std::string_view name, std::string_view label, std::string_view tip) {
  TextStyle style = small_text(look);
  style.color = look.theme.accent;
  const TextExtent extent = text_extent(look, label, style);
  const float width = std::min(extent.w, std::max(ImGui::GetContentRegionAvail().x, look.px(20)));
  const ItemState state = item(look, {.name = name, .w = width, .h = extent.h, .tooltip = tip});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const float drawn = draw_text_fitted(look, list, {state.rect.x, state.rect.y}, label, style, width + 1);
  if (state.is_hovered) {
    const double y = state.rect.y + extent.h;
    draw_line(list, {state.rect.x, y}, {state.rect.x + drawn, y}, style.color);
    ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
  }
  return state.is_clicked;
}

float chip_width(const Look& look, std::string_view label, FontFace face) {
  return text_extent(look, label, {.face = face, .size = kSmallTextSize, .color = {}}).w + look.px(10);
}

ItemState chip(const Look& look, const Chip& spec) {
  const float height = spec.height > 0 ? spec.height : look.px(20);
  const float width = std::min(chip_width(look, spec.label, spec.face), std::max(look.px(24), ImGui::GetContentRegionAvail().x));
  const ItemState state = item(look, {.name = spec.name, .w = width, .h = height, .tooltip = spec.tooltip});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const double radius = std::min<double>(look.px(4), height / 2);
  fill_rect(list, state.rect, state.is_hovered ? mix(spec.fill, look.theme.text, 0.1) : spec.fill, radius);
  if (spec.border) stroke_rect(list, state.rect, *spec.border, radius);
  const TextStyle style{.face = spec.face, .size = kSmallTextSize, .color = spec.text};
  const TextExtent extent = text_extent(look, spec.label, style);
  draw_text_fitted(look, list, {state.rect.x + look.px(5), state.rect.y + (height - extent.h) / 2}, spec.label, style,
                   width - look.px(9));
  return state;
}

bool progress_bar(const Look& look, const ProgressSpec& spec) {
  const Theme& theme = look.theme;
  const float cancel = button_width(look, "Cancel"), height = look.px(24);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const TextStyle style = small_text(look);
  const float text_width =
      draw_text_fitted(look, list, {at.x, at.y + (height - line_px(look, style)) / 2.0}, spec.stage, style, spec.width * 0.4f);
  std::array<char, 16> percent{};
  std::snprintf(percent.data(), percent.size(), "%.0f %%", std::clamp(spec.share, 0.0, 1.0) * 100);
  const float number = look.px(40);
  const float left = at.x + text_width + look.px(10), right = at.x + spec.width - cancel - number - look.px(14);
  if (right > left) {
    const double middle = at.y + height / 2.0;
    fill_rect(list, {left, middle - look.px(2), right - left, look.px(4)}, theme.border, look.px(2));
    fill_rect(list, {left, middle - look.px(2), (right - left) * std::clamp(spec.share, 0.0, 1.0), look.px(4)}, theme.accent,
              look.px(2));
  }
  draw_text(look, list,
            {at.x + spec.width - cancel - number - look.px(4),
             at.y + (height - text_extent(look, percent.data(), number_text(look)).h) / 2.0},
            percent.data(), number_text(look));
  ImGui::SetCursorScreenPos(ImVec2(at.x + spec.width - cancel, at.y));
  return button(look,
                {.name = spec.name, .label = "Cancel", .tooltip = "Stops this work. What was found before stays on the screen."});
}

Card::Card(const Look& look, Color fill, Color border) : look_(look), fill_(fill), border_(border) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  left_ = at.x;
  top_ = at.y;
  width_ = ImGui::GetContentRegionAvail().x;
  // The background's height is known only after its text: it goes into a channel below.
  ImDrawList& list = *ImGui::GetWindowDrawList();
  list.ChannelsSplit(2);
  list.ChannelsSetCurrent(1);
  ImGui::SetCursorScreenPos(ImVec2(left_ + look.px(10), top_ + look.px(8)));
  ImGui::BeginGroup();
  ImGui::GetCurrentWindow()->ContentRegionRect.Max.x -= look.px(10);
}

Card::~Card() {
  ImGui::GetCurrentWindow()->ContentRegionRect.Max.x += look_.px(10);
  ImGui::EndGroup();
  const float bottom = ImGui::GetItemRectMax().y + look_.px(8);
  ImDrawList& list = *ImGui::GetWindowDrawList();
  list.ChannelsSetCurrent(0);
  fill_rect(list, {left_, top_, width_, bottom - top_}, fill_, look_.px(5));
  stroke_rect(list, {left_, top_, width_, bottom - top_}, border_, look_.px(5));
  list.ChannelsMerge();
  ImGui::SetCursorScreenPos(ImVec2(left_, bottom));
  ImGui::Dummy(ImVec2(width_, 0));
}

}  // namespace headroom
