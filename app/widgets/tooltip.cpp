#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>

#include "app/widgets/look.h"

namespace headroom {
namespace {

constexpr double kRestSeconds = 0.45;
constexpr double kWidth = 300;  // logical pixels

void draw_tooltip(const Look& look, std::string_view text) {
  const std::size_t break_at = text.find('\n');
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(look.px(10), look.px(8)));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, look.px(6));
  ImGui::BeginTooltip();
  const auto line = [&](std::string_view part, const TextStyle& style) {
    const TextExtent extent = text_extent(look, part, style, look.px(kWidth));
    const ImVec2 at = ImGui::GetCursorScreenPos();
    draw_text(look, *ImGui::GetWindowDrawList(), {at.x, at.y}, part, style, look.px(kWidth));
    ImGui::Dummy(ImVec2(extent.w, extent.h));
  };
  const TextStyle body{.face = FontFace::kSans, .size = kSmallTextSize, .color = look.theme.text};
  if (break_at == std::string_view::npos) {
    line(text, body);
  } else {
    line(text.substr(0, break_at), {.face = FontFace::kSansMedium, .size = kTextSize, .color = look.theme.text});
    line(text.substr(break_at + 1), {.face = FontFace::kSans, .size = kSmallTextSize, .color = look.theme.text_dim});
  }
  ImGui::EndTooltip();
  ImGui::PopStyleVar(2);
}

}  // namespace

void tooltip(const Look& look, std::string_view text) {
  if (text.empty()) return;
  WidgetMemory& memory = look.memory;
  const ImGuiID id = ImGui::GetItemID();
  if (!ImGui::IsItemHovered(ImGuiHoveredFlags_AllowWhenDisabled)) {
    if (memory.rested_on == id) memory.rested_on = 0;
    return;
  }
  const double now = ImGui::GetTime();
  // Held, or typed into: then what is found below must not be covered.
  const bool is_busy = ImGui::IsMouseDown(ImGuiMouseButton_Left) || ImGui::IsItemActive();
  if (memory.rested_on != id || is_busy) {
    memory.rested_on = id;
    memory.rested_since = now;
  }
  if (is_busy) return;
  const double left = kRestSeconds - (now - memory.rested_since);
  if (left > 0) {
    memory.tooltip_wait = std::min(memory.tooltip_wait, left);
  } else {
    draw_tooltip(look, text);
  }
}

void tooltip_now(const Look& look, std::string_view text) {
  if (!text.empty()) draw_tooltip(look, text);
}

}  // namespace headroom
