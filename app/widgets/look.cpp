#include "app/widgets/look.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "app/painters/imgui_painter.h"
#include "app/widgets/input.h"

namespace headroom {

unsigned int pack(Color color) { return IM_COL32(color.r, color.g, color.b, color.a); }

void begin_widgets(const Look& look) {
  WidgetMemory& memory = look.memory;
  memory.last_order.swap(memory.order);
  memory.order.clear();
  memory.tooltip_wait = std::numeric_limits<double>::infinity();
  memory.is_text_active = std::exchange(memory.has_active_text, false);
  const std::vector<unsigned int>& order = memory.last_order;
  // A popup's own list takes Tab for itself.
  const bool has_popup = ImGui::IsPopupOpen("", ImGuiPopupFlags_AnyPopupId | ImGuiPopupFlags_AnyPopupLevel);
  if (!order.empty() && !has_popup && !ImGui::GetIO().KeyCtrl && pressed(Key::kTab, KeyRepeat::kOn)) {
    const auto found = std::find(order.begin(), order.end(), memory.focused);
    const auto n = static_cast<std::ptrdiff_t>(order.size());
    const std::ptrdiff_t step = ImGui::GetIO().KeyShift ? -1 : 1;
    const std::ptrdiff_t at = found == order.end() ? (step > 0 ? -1 : n) : found - order.begin();
    memory.focused = order[static_cast<std::size_t>((at + step + n) % n)];
    memory.shows_focus = true;
    memory.typing = 0;
    ImGui::ClearActiveID();
  }
  if (ImGui::IsMouseClicked(ImGuiMouseButton_Left)) memory.shows_focus = false;
}

bool letters_are_free(const Look& look) { return !look.memory.is_text_active && !ImGui::GetIO().WantTextInput; }

float line_px(const Look& look, const TextStyle& style) { return look.px(imgui_line_height(style.face, style.size)); }

namespace {

constexpr float kLineSpacing = 1.15f;  // of wrapped text, in line heights: ImGui's own lines touch

/// Calls `each(line, index)` for the lines of a wrapped text. Words that are wider than a line are broken by ImGui's own rule.
template <class Each>
int for_wrapped_lines(ImFont& font, float size, std::string_view text, float wrap, const Each& each) {
  const auto width = [&](std::string_view part) {
    return font.CalcTextSizeA(size, FLT_MAX, 0, part.data(), part.data() + part.size()).x;
  };
  const float space = width(" ");
  int n_lines = 0;
  std::size_t line = 0, at = 0;
  float used = 0;
  while (at < text.size()) {
    const std::size_t stop = std::min(text.find_first_of(" \n", at), text.size());
    const float word = width(text.substr(at, stop - at));
    if (at > line && used + space + word > wrap) {
      each(text.substr(line, at - line), n_lines++);
      line = at;
      used = 0;
    }
    used += (at > line ? space : 0) + word;
    if (used > wrap) {  // one word, too wide for a line of its own
      const char* end = text.data() + at;
      font.CalcTextSizeA(size, wrap, 0, end, text.data() + stop, &end);
      const auto fitting = static_cast<std::size_t>(end - text.data());
      if (fitting > line) {
        each(text.substr(line, fitting - line), n_lines++);
        line = at = fitting;
        used = 0;
        continue;
      }
    }
    if (stop < text.size() && text[stop] == '\n') {
      each(text.substr(line, stop - line), n_lines++);
      line = stop + 1;
      used = 0;
    }
    at = stop + 1;
  }
  if (line < text.size()) each(text.substr(line), n_lines++);
  return n_lines;
}

}  // namespace

TextExtent text_extent(const Look& look, std::string_view text, const TextStyle& style, float wrap) {
  ImFont* font = face_font(style.face, style.size);
  const float size = line_px(look, style);
  if (text.empty()) return {0, size};  // no text may be no address: ImGui would look for its end
  if (wrap <= 0) {
    const ImVec2 extent = font->CalcTextSizeA(size, FLT_MAX, 0, text.data(), text.data() + text.size());
    return {std::ceil(extent.x), extent.y};
  }
  float width = 0;
  const int n_lines = for_wrapped_lines(*font, size, text, wrap, [&](std::string_view line, int) {
    width = std::max(width, font->CalcTextSizeA(size, FLT_MAX, 0, line.data(), line.data() + line.size()).x);
  });
  return {std::ceil(width), size + static_cast<float>(std::max(0, n_lines - 1)) * std::round(size * kLineSpacing)};
}

void draw_text(const Look& look, ImDrawList& list, Point at, std::string_view text, const TextStyle& style, float wrap) {
  if (text.empty()) return;
  const ImVec2 position(std::floor(static_cast<float>(at.x)), std::floor(static_cast<float>(at.y)));
  ImFont* font = face_font(style.face, style.size);
  const float size = line_px(look, style);
  const auto draw = [&](std::string_view line, int index) {
    const float y = position.y + static_cast<float>(index) * std::round(size * kLineSpacing);
    list.AddText(font, size, ImVec2(position.x, y), pack(style.color), line.data(), line.data() + line.size());
  };
  if (wrap > 0) {
    for_wrapped_lines(*font, size, text, wrap, draw);
  } else {
    draw(text, 0);
  }
}

float draw_text_fitted(const Look& look, ImDrawList& list, Point at, std::string_view text, const TextStyle& style,
                       float max_width) {
  const float whole = text_extent(look, text, style).w;
  if (whole <= max_width || text.empty()) {
    draw_text(look, list, at, text, style);
    return whole;
  }
  constexpr std::string_view dots = "…";
  const float room = max_width - text_extent(look, dots, style).w;
  if (room <= 0) return 0;
  ImFont* font = face_font(style.face, style.size);
  const char* end = text.data();
  const float width = font->CalcTextSizeA(line_px(look, style), room, 0, text.data(), text.data() + text.size(), &end).x;
  draw_text(look, list, at, {text.data(), static_cast<std::size_t>(end - text.data())}, style);
  draw_text(look, list, {at.x + width, at.y}, dots, style);
  return width + text_extent(look, dots, style).w;
}

void paragraph(const Look& look, std::string_view text, const TextStyle& style) {
  if (text.empty()) return;
  const float width = std::max(ImGui::GetContentRegionAvail().x, look.px(20));
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const TextExtent extent = text_extent(look, text, style, width);
  draw_text(look, *ImGui::GetWindowDrawList(), {at.x, at.y}, text, style, width);
  ImGui::Dummy(ImVec2(extent.w, extent.h));
}

TextStyle small_text(const Look& look) { return {.face = FontFace::kSans, .size = kSmallTextSize, .color = look.theme.text_dim}; }
TextStyle body_text(const Look& look) { return {.face = FontFace::kSans, .size = kTextSize, .color = look.theme.text}; }
TextStyle number_text(const Look& look) { return {.face = FontFace::kMono, .size = kSmallTextSize, .color = look.theme.text}; }

void gap(const Look& look, double height) { ImGui::Dummy(ImVec2(0, look.px(height))); }

void rule(const Look& look, double around) {
  gap(look, around);
  const ImVec2 window = ImGui::GetWindowPos();
  const float y = std::floor(ImGui::GetCursorScreenPos().y);
  fill_rect(*ImGui::GetWindowDrawList(), {window.x, y, ImGui::GetWindowWidth(), std::max(1.0f, std::floor(look.scale))},
            look.theme.border);
  ImGui::Dummy(ImVec2(0, 1));
  gap(look, around);
}

void heading(const Look& look, const char* text, std::string_view note) {
  const TextStyle style{.face = FontFace::kSansMedium, .size = kSmallTextSize, .color = look.theme.text_dim};
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const TextExtent extent = text_extent(look, text, style);
  draw_text(look, list, {at.x, at.y}, text, style);
  const float left = extent.w + look.px(6);
  if (!note.empty()) {
    draw_text_fitted(look, list, {at.x + left, at.y}, note,
                     {.face = FontFace::kSans, .size = kSmallTextSize, .color = look.theme.text_faint},
                     ImGui::GetContentRegionAvail().x - left);
  }
  ImGui::Dummy(ImVec2(extent.w, extent.h));
  gap(look, 8);
}

void fill_rect(ImDrawList& list, const Rect& rect, Color color, double radius) {
  list.AddRectFilled(ImVec2(static_cast<float>(rect.x), static_cast<float>(rect.y)),
                     ImVec2(static_cast<float>(rect.x + rect.w), static_cast<float>(rect.y + rect.h)), pack(color),
                     static_cast<float>(radius));
}

void stroke_rect(ImDrawList& list, const Rect& rect, Color color, double radius) {
  list.AddRect(ImVec2(static_cast<float>(rect.x), static_cast<float>(rect.y)),
               ImVec2(static_cast<float>(rect.x + rect.w), static_cast<float>(rect.y + rect.h)), pack(color),
               static_cast<float>(radius));
}

void draw_line(ImDrawList& list, Point from, Point to, Color color) {
  list.AddLine(ImVec2(static_cast<float>(from.x), static_cast<float>(from.y)),
               ImVec2(static_cast<float>(to.x), static_cast<float>(to.y)), pack(color));
}

void draw_chevron(const Look& look, ImDrawList& list, Point centre, Color color) {
  const float x = static_cast<float>(centre.x), y = static_cast<float>(centre.y), half = look.px(3.5);
  list.AddTriangleFilled(ImVec2(x - half, y - half * 0.6f), ImVec2(x + half, y - half * 0.6f), ImVec2(x, y + half * 0.8f),
                         pack(color));
}

}  // namespace headroom
