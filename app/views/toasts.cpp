#include <imgui.h>

#include <algorithm>
#include <string>

#include "app/views/context.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

Color edge_of(const Frame& frame, Toast::Kind kind) {
  return kind == Toast::Kind::kError ? frame.theme.bad : kind == Toast::Kind::kWarning ? frame.theme.warning : frame.theme.accent;
}

}  // namespace

void draw_toasts(const Frame& frame) {
  const Look& look = frame.look;
  const ImVec2 display = ImGui::GetIO().DisplaySize;
  const float width = std::min(look.px(420), display.x - look.px(32));
  float bottom = display.y - look.px(16);
  // The newest stands lowest; older ones above it as far as there is room.
  for (std::size_t i = frame.model.toasts.size(); i-- > 0;) {
    const Toast& toast = frame.model.toasts[i];
    const TextStyle style{.face = FontFace::kSans, .size = kSmallTextSize, .color = frame.theme.text};
    const std::string text = imgui_drawable(toast.text, FontFace::kSans);
    const float wrap = width - look.px(56);
    const TextExtent extent = text_extent(look, text, style, wrap);
    const float height = extent.h + look.px(20);
    if (bottom - height < look.px(48)) break;
    ImGui::SetNextWindowPos(ImVec2(display.x - width - look.px(16), bottom - height));
    ImGui::SetNextWindowSize(ImVec2(width, height));
    ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
    ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0.0f);
    const std::string name = "##toast " + std::to_string(i);
    ImGui::Begin(name.c_str(), nullptr,
                 ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoSavedSettings |
                     ImGuiWindowFlags_NoFocusOnAppearing | ImGuiWindowFlags_NoNav | ImGuiWindowFlags_NoBackground);
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const ImVec2 at = ImGui::GetWindowPos();
    fill_rect(list, {at.x, at.y, width, height}, frame.theme.raised, look.px(6));
    fill_rect(list, {at.x, at.y, look.px(4), height}, edge_of(frame, toast.kind), look.px(2));
    stroke_rect(list, {at.x, at.y, width, height}, frame.theme.border, look.px(6));
    draw_text(look, list, {at.x + look.px(16), at.y + look.px(10)}, text, style, wrap);
    ImGui::SetCursorScreenPos(ImVec2(at.x + width - look.px(34), at.y + (height - look.px(24)) / 2));
    const std::string dismiss = "toast/dismiss " + std::to_string(i);
    const ItemState cross = item(
        look,
        {.name = dismiss, .w = look.px(24), .h = look.px(24), .tooltip = "Dismiss this message.", .focusable = Focusable::kNo});
    TextStyle mark = small_text(look);
    mark.color = cross.is_hovered ? frame.theme.text : frame.theme.text_dim;
    draw_text(look, list, {cross.rect.x + look.px(8), cross.rect.y + look.px(5)}, "×", mark);
    if (cross.is_clicked) frame.command(DismissToast{i});
    record_rect("toast " + std::to_string(i), {at.x, at.y, width, height});
    ImGui::End();
    ImGui::PopStyleVar(2);
    bottom -= height + look.px(8);
  }
}

}  // namespace headroom
