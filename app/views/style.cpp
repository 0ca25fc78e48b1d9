#include <imgui.h>

#include "app/views/frame.h"

namespace headroom {
namespace {

ImVec4 rgba(Color color) {
  return ImVec4(static_cast<float>(color.r) / 255.0f, static_cast<float>(color.g) / 255.0f, static_cast<float>(color.b) / 255.0f,
                static_cast<float>(color.a) / 255.0f);
}

}  // namespace

void apply_style(const Theme& theme, double scale) {
  // A fresh style each time: scaling one that is scaled already would pile up.
  ImGuiStyle style;
  style.WindowPadding = ImVec2(12, 12);
  style.FramePadding = ImVec2(8, 5);
  style.ItemSpacing = ImVec2(8, 4);
  style.ItemInnerSpacing = ImVec2(6, 4);
  style.CellPadding = ImVec2(6, 4);
  style.ScrollbarSize = 8;
  style.GrabMinSize = 20;
  style.WindowRounding = 8;
  style.ChildRounding = 0;
  style.PopupRounding = 6;
  style.FrameRounding = 5;
  style.ScrollbarRounding = 4;
  style.GrabRounding = 4;
  style.WindowBorderSize = 1;
  style.PopupBorderSize = 1;
  style.FrameBorderSize = 1;
  style.ChildBorderSize = 0;
  style.WindowTitleAlign = ImVec2(0.0f, 0.5f);
  style.WindowMenuButtonPosition = ImGuiDir_None;
  style.DisplaySafeAreaPadding = ImVec2(0, 0);
  style.ScaleAllSizes(static_cast<float>(scale));

  const auto set = [&](ImGuiCol which, Color color) { style.Colors[which] = rgba(color); };
  const Color clear{0, 0, 0, 0};
  const Color popup = mix(theme.panel, theme.raised, 0.5);
  set(ImGuiCol_Text, theme.text);
  set(ImGuiCol_TextDisabled, theme.text_faint);
  set(ImGuiCol_WindowBg, theme.panel);
  set(ImGuiCol_ChildBg, clear);
  set(ImGuiCol_PopupBg, popup);
  set(ImGuiCol_Border, theme.border);
  set(ImGuiCol_BorderShadow, clear);
  set(ImGuiCol_FrameBg, theme.window);
  set(ImGuiCol_FrameBgHovered, theme.window);
  set(ImGuiCol_FrameBgActive, theme.window);
  set(ImGuiCol_TitleBg, theme.panel);
  set(ImGuiCol_TitleBgActive, theme.panel);
  set(ImGuiCol_TitleBgCollapsed, theme.panel);
  set(ImGuiCol_MenuBarBg, theme.panel);
  set(ImGuiCol_ScrollbarBg, clear);
  set(ImGuiCol_ScrollbarGrab, theme.border);
  set(ImGuiCol_ScrollbarGrabHovered, theme.text_faint);
  set(ImGuiCol_ScrollbarGrabActive, theme.text_dim);
  set(ImGuiCol_CheckMark, theme.accent);
  set(ImGuiCol_SliderGrab, theme.accent);
  set(ImGuiCol_SliderGrabActive, theme.accent);
  set(ImGuiCol_Button, theme.raised);
  set(ImGuiCol_ButtonHovered, mix(theme.raised, theme.text, 0.12));
  set(ImGuiCol_ButtonActive, mix(theme.raised, theme.text, 0.2));
  set(ImGuiCol_Header, with_alpha(theme.accent, 0.22));
  set(ImGuiCol_HeaderHovered, with_alpha(theme.accent, 0.3));
  set(ImGuiCol_HeaderActive, with_alpha(theme.accent, 0.4));
  set(ImGuiCol_Separator, theme.border);
  set(ImGuiCol_SeparatorHovered, theme.accent);
  set(ImGuiCol_SeparatorActive, theme.accent);
  set(ImGuiCol_ResizeGrip, clear);
  set(ImGuiCol_ResizeGripHovered, clear);
  set(ImGuiCol_ResizeGripActive, clear);
  set(ImGuiCol_TextSelectedBg, with_alpha(theme.accent, 0.35));
  set(ImGuiCol_NavHighlight, theme.accent);
  set(ImGuiCol_ModalWindowDimBg, with_alpha(Color{0, 0, 0, 255}, theme.name == ThemeName::kDark ? 0.5 : 0.25));
  set(ImGuiCol_TableHeaderBg, theme.raised);
  set(ImGuiCol_TableBorderStrong, theme.border);
  set(ImGuiCol_TableBorderLight, theme.border);
  ImGui::GetStyle() = style;
}

}  // namespace headroom
