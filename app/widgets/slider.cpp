#include <imgui.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "app/widgets/controls.h"
#include "app/widgets/input.h"

namespace headroom {
namespace {

std::size_t nearest_index(std::span<const std::int64_t> values, std::int64_t value) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (std::llabs(values[i] - value) < std::llabs(values[best] - value)) best = i;
  }
  return best;
}

/// The text box over the number while it is typed. Enter and leaving it take the number; Esc drops it.
std::optional<std::int64_t> typed_number(const Look& look, const Rect& place) {
  WidgetMemory& memory = look.memory;
  const ImVec2 before = ImGui::GetCursorScreenPos();
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(place.x), static_cast<float>(place.y)));
  ImGui::SetNextItemWidth(static_cast<float>(place.w));
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(look.px(4), look.px(1)));
  if (memory.starts_typing) ImGui::SetKeyboardFocusHere();
  std::optional<std::int64_t> result;
  {
    const FontScope mono(FontFace::kMono, kSmallTextSize);
    ImGui::PushID("typed");
    ImGui::InputText("##number", memory.typed.data(), memory.typed.size(),
                     ImGuiInputTextFlags_CharsDecimal | ImGuiInputTextFlags_AutoSelectAll);
    ImGui::PopID();
  }
  ImGui::PopStyleVar();
  const bool is_done = ImGui::IsItemDeactivated();
  if (is_done && !pressed(Key::kEscape)) {
    std::int64_t number = 0;
    const char* begin = memory.typed.data();
    const auto parsed = std::from_chars(begin, begin + std::char_traits<char>::length(begin), number);
    if (parsed.ec == std::errc{}) result = number;
  }
  if (is_done) memory.typing = 0;
  memory.starts_typing = false;
  ImGui::SetCursorScreenPos(before);
  ImGui::Dummy(ImVec2(0, 0));
  return result;
}

}  // namespace

std::optional<std::int64_t> value_slider(const Look& look, const ValueSlider& spec) {
  WidgetMemory& memory = look.memory;
  const Theme& theme = look.theme;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const float width = spec.width > 0 ? spec.width : ImGui::GetContentRegionAvail().x, height = look.px(24);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const bool can_move = spec.enabled == Enabled::kYes && spec.values.size() > 1;
  const ItemState state = item(
      look,
      {.name = spec.name, .w = width, .h = height, .tooltip = spec.tooltip, .enabled = can_move ? Enabled::kYes : Enabled::kNo});

  const float left = at.x + look.px(spec.label_width), right = at.x + width - look.px(spec.value_width);
  const float middle = at.y + height / 2, knob = look.px(6);
  const std::size_t current = nearest_index(spec.values, spec.value);
  const auto last = static_cast<double>(std::max<std::size_t>(spec.values.size() - 1, 1));
  const double share = spec.values.size() > 1 ? static_cast<double>(current) / last : 0;
  const float x = left + knob + static_cast<float>(share) * (right - left - 2 * knob);

  TextStyle label = body_text(look);
  if (!can_move) label.color = theme.text_dim;
  draw_text(look, list, {at.x, middle - text_extent(look, spec.label, label).h / 2.0}, spec.label, label);
  fill_rect(list, {left, middle - look.px(1.5), right - left, look.px(3)}, theme.border, look.px(1.5));
  const Color fill = can_move ? theme.accent : theme.text_faint;
  fill_rect(list, {left, middle - look.px(1.5), x - left, look.px(3)}, fill, look.px(1.5));
  list.AddCircleFilled(ImVec2(x, middle), state.is_hovered || state.is_held ? knob * 1.15f : knob,
                       pack(can_move ? theme.text : theme.text_dim));

  const Rect number{right + look.px(6), at.y + look.px(2), look.px(spec.value_width - 6), height - look.px(4)};
  if (memory.typing == state.id && can_move) return typed_number(look, number);

  std::string text;
  if (spec.shown.empty()) {
    text = std::to_string(spec.value);
    if (!spec.unit.empty()) text.append(" ").append(spec.unit);
  }
  const std::string_view shown = spec.shown.empty() ? std::string_view(text) : spec.shown;
  const TextExtent extent = text_extent(look, shown, number_text(look));
  draw_text(look, list, {at.x + width - extent.w, middle - extent.h / 2.0}, shown, number_text(look));
  if (!can_move) return std::nullopt;

  const bool wants_typing = state.is_double_clicked || (state.is_clicked && ImGui::GetIO().KeyCtrl);
  if (wants_typing) {
    memory.typing = state.id;
    memory.starts_typing = true;
    const std::string now = std::to_string(spec.value);
    std::fill(memory.typed.begin(), memory.typed.end(), '\0');
    std::copy_n(now.begin(), std::min(now.size(), memory.typed.size() - 1), memory.typed.begin());
    return std::nullopt;
  }
  if (state.is_focused && letters_are_free(look)) {
    const int step = (pressed(Key::kRight, KeyRepeat::kOn) ? 1 : 0) - (pressed(Key::kLeft, KeyRepeat::kOn) ? 1 : 0);
    const auto next = static_cast<std::ptrdiff_t>(current) + step;
    if (step != 0 && next >= 0 && next < static_cast<std::ptrdiff_t>(spec.values.size()))
      return spec.values[static_cast<std::size_t>(next)];
  }
  // A press beside the line, on the number, is the first half of a double-click there.
  if (state.is_held && !ImGui::GetIO().KeyCtrl && ImGui::GetIO().MouseClickedPos[0].x < right + knob) {
    const double aimed =
        std::clamp((ImGui::GetIO().MousePos.x - left - knob) / std::max(right - left - 2 * knob, 1.0f), 0.0f, 1.0f);
    const std::int64_t value = spec.values[static_cast<std::size_t>(std::lround(aimed * last))];
    if (value != spec.value) return value;
  }
  return std::nullopt;
}

}  // namespace headroom
