#include "app/widgets/sentence_box.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "app/painters/imgui_painter.h"
#include "app/widgets/input.h"
#include "core/formats/utf8.h"

namespace headroom {
namespace {

constexpr double kLineHeight = 18;  // logical pixels
constexpr double kBlinkSeconds = 0.53;

/// Widths and hits of characters, in ImGui pixels.
struct Geometry {
  const Look& look;
  TextStyle style;
  ImFont* font;
  float pixels;  // ImGui's size of the font: its line's height

  explicit Geometry(const Look& where)
      : look(where), style(body_text(where)), font(face_font(style.face, style.size)), pixels(line_px(where, style)) {}
  /// Of one character, as draw_line draws it.
  double advance(std::string_view text, std::size_t at, std::size_t bytes) const {
#if IMGUI_VERSION_NUM < 19200
    // A long text asks this a million times.
    const auto first = static_cast<unsigned char>(text[at]);
    if (first >= 0x20 && first < 0x7F) return static_cast<double>(font->GetCharAdvance(first) * (pixels / font->FontSize));
#endif
    return drawn_width(text.substr(at, bytes));
  }
  double width(std::string_view text) const {
    double sum = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t bytes = character_bytes(text, at);
      sum += advance(text, at, bytes);
      at += bytes;
    }
    return sum;
  }
  /// The offset whose left edge is nearest to x in the line.
  std::size_t offset_at(std::string_view text, TextLine line, double x) const {
    double left = 0;
    std::size_t at = line.begin;
    while (at < line.end) {
      const std::size_t bytes = character_bytes(text, at);
      const double step = advance(text, at, bytes);
      if (x < left + step / 2) break;
      left += step;
      at += bytes;
    }
    return at;
  }

 private:
  double drawn_width(std::string_view character) const {
    const std::string drawn = imgui_drawable(character, style.face);
    return font->CalcTextSizeA(pixels, FLT_MAX, 0, drawn.data(), drawn.data() + drawn.size()).x;
  }
};

void rewrap(const Geometry& geometry, const SharedText& text, float width, SentenceBoxMemory& memory) {
  // Letters that the atlas lacked are wider while they are shown as code points.
  const int glyphs = geometry.font->Glyphs.Size;
  const bool is_same_page = memory.wrapped_width == width && memory.wrapped_glyphs == glyphs && !memory.lines.empty();
  if (is_same_page && memory.wrapped_text.is_copy_of(text)) return;
  const auto advance = [&](std::string_view all, std::size_t at, std::size_t bytes) { return geometry.advance(all, at, bytes); };
  if (is_same_page) {
    rewrap_lines(memory.wrapped_text, text, width, advance, memory.lines);
  } else {
    memory.lines = wrap_lines(text, width, advance);
  }
  memory.wrapped_text = text;
  memory.wrapped_width = width;
  memory.wrapped_glyphs = glyphs;
}

std::string typed_text() {
  std::string typed;
  for (const ImWchar c : ImGui::GetIO().InputQueueCharacters) {
    if (c < 0x20 || c == 0x7F || (c >= 0xD800 && c < 0xE000)) continue;
    append_utf8(typed, static_cast<char32_t>(c));
  }
  return typed;
}

/// What the keys of this frame put in the selection's place, which they may widen first. Nothing: no edit.
std::optional<std::string> insertion_by_keys(std::string_view text, TextCursor& cursor) {
  const ImGuiIO& io = ImGui::GetIO();
  const auto widen_to = [&](std::size_t to) {
    if (!cursor.has_selection()) cursor.anchor = to;
    return std::string();
  };
  if (pressed(Key::kBackspace, KeyRepeat::kOn) && (cursor.has_selection() || cursor.at > 0))
    return widen_to(io.KeyCtrl ? previous_word(text, cursor.at) : previous_character(text, cursor.at));
  if (pressed(Key::kDelete, KeyRepeat::kOn) && (cursor.has_selection() || cursor.at < text.size()))
    return widen_to(io.KeyCtrl ? next_word(text, cursor.at) : cursor.at + character_bytes(text, cursor.at));
  if (io.KeyCtrl && !io.KeyAlt) {
    if (pressed(Key::kX) && cursor.has_selection()) return std::string();
    if (!pressed(Key::kV)) return std::nullopt;
    const char* clipboard = ImGui::GetClipboardText();
    std::string insert = cleaned_input(clipboard == nullptr ? "" : clipboard);
    return insert.empty() ? std::nullopt : std::optional(std::move(insert));
  }
  std::string typed = typed_text();
  if (pressed(Key::kEnter, KeyRepeat::kOn)) typed += '\n';
  return typed.empty() ? std::nullopt : std::optional(std::move(typed));
}

std::optional<SharedText> edit_by_keys(const SharedText& text, TextCursor& cursor) {
  const ImGuiIO& io = ImGui::GetIO();
  if (io.KeyCtrl && pressed(Key::kA)) cursor = {.at = text.size(), .anchor = 0};
  if (io.KeyCtrl && (pressed(Key::kC) || pressed(Key::kX)) && cursor.has_selection())
    ImGui::SetClipboardText(text.str().substr(cursor.begin(), cursor.end() - cursor.begin()).c_str());
  const auto insertion = insertion_by_keys(text, cursor);
  if (!insertion) return std::nullopt;
  std::string edited = text;
  replace_selection(edited, cursor, *insertion);
  return SharedText(std::move(edited));
}

/// Arrow keys, Page Up and Down, Home and End.
void move_by_keys(const Geometry& geometry, std::string_view text, int page, SentenceBoxMemory& memory) {
  TextCursor& cursor = memory.cursor;
  const ImGuiIO& io = ImGui::GetIO();
  const std::size_t row = line_of(memory.lines, cursor.at);
  const TextLine line = memory.lines[row];
  const bool selects = io.KeyShift;
  const bool had_selection = cursor.has_selection() && !selects;
  if (pressed(Key::kLeft, KeyRepeat::kOn)) {
    cursor.move_to(io.KeyCtrl      ? previous_word(text, cursor.at)
                   : had_selection ? cursor.begin()
                                   : previous_character(text, cursor.at),
                   selects);
  }
  if (pressed(Key::kRight, KeyRepeat::kOn)) {
    cursor.move_to(io.KeyCtrl      ? next_word(text, cursor.at)
                   : had_selection ? cursor.end()
                                   : cursor.at + character_bytes(text, cursor.at),
                   selects);
  }
  if (pressed(Key::kHome)) cursor.move_to(io.KeyCtrl ? 0 : line.begin, selects);
  if (pressed(Key::kEnd)) cursor.move_to(io.KeyCtrl ? text.size() : line.end, selects);
  const int step = (pressed(Key::kDown, KeyRepeat::kOn) ? 1 : 0) - (pressed(Key::kUp, KeyRepeat::kOn) ? 1 : 0) +
                   (pressed(Key::kPageDown, KeyRepeat::kOn) ? page : 0) - (pressed(Key::kPageUp, KeyRepeat::kOn) ? page : 0);
  if (step != 0) {
    const double x = geometry.width(text.substr(line.begin, cursor.at - line.begin));
    const auto target = static_cast<std::ptrdiff_t>(row) + step;
    if (target < 0) {
      cursor.move_to(0, selects);
    } else if (target >= static_cast<std::ptrdiff_t>(memory.lines.size())) {
      cursor.move_to(text.size(), selects);
    } else {
      cursor.move_to(geometry.offset_at(text, memory.lines[static_cast<std::size_t>(target)], x), selects);
    }
  }
}

struct TextArea {
  double left = 0, top = 0;  ///< of line 0 without scroll
  double line_height = 0, height = 0;
};

void draw_lines(const Geometry& geometry, const TextArea& area, std::string_view all, const SentenceBoxMemory& memory) {
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const Theme& theme = geometry.look.theme;
  const auto first = static_cast<std::size_t>(std::max(0.0, memory.scroll / area.line_height));
  for (std::size_t row = first; row < memory.lines.size(); ++row) {
    const TextLine line = memory.lines[row];
    const double y = area.top + static_cast<double>(row) * area.line_height - memory.scroll;
    if (y > area.top + area.height) break;
    if (memory.cursor.has_selection() && memory.is_active) {
      const std::size_t from = std::max(line.begin, memory.cursor.begin()), to = std::min(line.end, memory.cursor.end());
      if (from < to) {
        const double x = area.left + geometry.width(all.substr(line.begin, from - line.begin));
        fill_rect(list, {x, y, geometry.width(all.substr(from, to - from)), area.line_height}, with_alpha(theme.accent, 0.35));
      }
    }
    draw_text(geometry.look, list, {area.left, y + (area.line_height - geometry.pixels) / 2},
              imgui_drawable(all.substr(line.begin, line.end - line.begin), geometry.style.face), geometry.style);
  }
}

void draw_caret(const Geometry& geometry, const TextArea& area, std::string_view text, SentenceBoxMemory& memory) {
  const double since = std::fmod(ImGui::GetTime() - memory.blink_from, 2 * kBlinkSeconds);
  const double until_turn = since < kBlinkSeconds ? kBlinkSeconds - since : 2 * kBlinkSeconds - since;
  geometry.look.memory.tooltip_wait = std::min(geometry.look.memory.tooltip_wait, until_turn + 0.005);
  if (since >= kBlinkSeconds) return;
  const std::size_t row = line_of(memory.lines, memory.cursor.at);
  const TextLine line = memory.lines[row];
  const double x = area.left + geometry.width(text.substr(line.begin, memory.cursor.at - line.begin));
  const double y = area.top + static_cast<double>(row) * area.line_height - memory.scroll;
  fill_rect(
      *ImGui::GetWindowDrawList(),
      {std::floor(x), y + geometry.look.px(1), std::max(1.0f, geometry.look.px(1.25)), area.line_height - geometry.look.px(2)},
      geometry.look.theme.accent);
}

void follow_mouse(const Geometry& geometry, const TextArea& area, const ItemState& state, std::string_view text,
                  SentenceBoxMemory& memory) {
  const ImGuiIO& io = ImGui::GetIO();
  if (!state.is_held || memory.is_scrolling) {
    memory.is_dragging = false;
    return;
  }
  const double relative = (io.MousePos.y - area.top + memory.scroll) / area.line_height;
  const auto row = static_cast<std::size_t>(std::clamp(relative, 0.0, static_cast<double>(memory.lines.size() - 1)));
  const std::size_t at = geometry.offset_at(text, memory.lines[row], io.MousePos.x - area.left);
  if (state.is_double_clicked) {
    memory.cursor.anchor = previous_word(text, std::min(text.size(), at + character_bytes(text, at)));
    memory.cursor.at = next_word(text, memory.cursor.anchor);
    memory.is_dragging = false;
  } else if (ImGui::IsMouseClicked(ImGuiMouseButton_Left)) {
    memory.cursor.move_to(at, io.KeyShift);
    memory.is_dragging = true;
  } else if (memory.is_dragging) {
    memory.cursor.move_to(at, true);
  }
  memory.blink_from = ImGui::GetTime();
}

void bring_cursor_into_view(const TextArea& area, SentenceBoxMemory& memory) {
  const double y = static_cast<double>(line_of(memory.lines, memory.cursor.at)) * area.line_height;
  memory.scroll = std::clamp(memory.scroll, y + area.line_height - area.height, y);
}

/// Who has the keyboard.
void follow_focus(const Look& look, const ItemState& state, SentenceBoxMemory& memory) {
  const bool is_clicked_elsewhere = ImGui::IsMouseClicked(ImGuiMouseButton_Left) && !state.is_hovered;
  if (std::exchange(memory.takes_focus, false)) {
    look.memory.focused = state.id;
    memory.is_active = true;
  }
  const bool was_active = memory.is_active;
  if (state.is_held || (state.is_focused && !was_active)) memory.is_active = true;
  if (is_clicked_elsewhere || ImGui::GetIO().WantTextInput || (was_active && look.memory.focused != state.id))
    memory.is_active = false;
  if (was_active && pressed(Key::kEscape)) {
    memory.is_active = false;
    look.memory.focused = 0;
  }
  if (memory.is_active && !was_active) memory.blink_from = ImGui::GetTime();
}

/// Wheel and bar. Call right after the item. Returns how much text hangs over, in ImGui pixels.
double scroll_by_mouse(const Look& look, const TextArea& area, const ItemState& state, SentenceBoxMemory& memory) {
  const double overflow = std::max(0.0, static_cast<double>(memory.lines.size()) * area.line_height - area.height);
  const ImGuiIO& io = ImGui::GetIO();
  if (state.is_hovered && overflow > 0) {
    // The wheel is for the text here, not for the panel around it.
#if IMGUI_VERSION_NUM >= 18920
    ImGui::SetItemKeyOwner(ImGuiKey_MouseWheelY);
#else
    ImGui::SetItemUsingMouseWheel();
#endif
    memory.scroll -= static_cast<double>(io.MouseWheel) * area.line_height * 2;
    const bool is_on_bar = io.MousePos.x > state.rect.x + state.rect.w - look.px(12);
    if (is_on_bar) ImGui::SetMouseCursor(ImGuiMouseCursor_Arrow);
    if (is_on_bar && ImGui::IsMouseClicked(ImGuiMouseButton_Left)) memory.is_scrolling = true;
  }
  if (!ImGui::IsMouseDown(ImGuiMouseButton_Left)) memory.is_scrolling = false;
  if (memory.is_scrolling) memory.scroll = std::clamp((io.MousePos.y - area.top) / area.height, 0.0, 1.0) * overflow;
  memory.scroll = std::clamp(memory.scroll, 0.0, overflow);
  return overflow;
}

void draw_bar(const Look& look, const TextArea& area, const Rect& box, const SentenceBoxMemory& memory) {
  const double all = static_cast<double>(memory.lines.size()) * area.line_height, overflow = all - area.height;
  const double bar = std::max<double>(look.px(16), area.height * area.height / all);
  const double width = look.px(memory.is_scrolling ? 5 : 3);
  fill_rect(*ImGui::GetWindowDrawList(),
            {box.x + box.w - width - look.px(2), area.top + memory.scroll / overflow * (area.height - bar), width, bar},
            memory.is_scrolling ? look.theme.text_faint : look.theme.border, width / 2);
}

}  // namespace

std::optional<SharedText> sentence_box(const Look& look, const SentenceBox& spec, SentenceBoxMemory& memory) {
  const Theme& theme = look.theme;
  const Geometry geometry(look);
  const float padding = look.px(10), line_height = look.px(kLineHeight);
  const float inner = spec.width - 2 * padding;
  memory.cursor.clamp_to(spec.text);
  rewrap(geometry, spec.text, inner, memory);

  const auto wanted_lines = static_cast<int>(std::min<std::size_t>(memory.lines.size(), 1000));
  const int n_lines = std::clamp(wanted_lines, spec.min_lines, spec.max_lines);
  const float text_height = static_cast<float>(n_lines) * line_height, height = text_height + look.px(16);
  const bool was_active = memory.is_active;
  const ItemState state =
      item(look, {.name = spec.name, .w = spec.width, .h = height, .tooltip = was_active ? std::string_view{} : spec.tooltip});
  const TextArea area{
      .left = state.rect.x + padding, .top = state.rect.y + look.px(8), .line_height = line_height, .height = text_height};
  if (state.is_hovered) ImGui::SetMouseCursor(ImGuiMouseCursor_TextInput);
  follow_focus(look, state, memory);

  std::optional<SharedText> edited;
  const std::size_t before = memory.cursor.at;
  if (memory.is_active && was_active) {
    edited = edit_by_keys(spec.text, memory.cursor);
    if (edited) rewrap(geometry, *edited, inner, memory);
    move_by_keys(geometry, edited ? *edited : spec.text, std::max(1, n_lines - 1), memory);
  }
  const SharedText& shown = edited ? *edited : spec.text;
  const double overflow = scroll_by_mouse(look, area, state, memory);
  follow_mouse(geometry, area, state, shown, memory);
  if (memory.cursor.at != before) {
    memory.blink_from = ImGui::GetTime();
    bring_cursor_into_view(area, memory);
  }

  ImDrawList& list = *ImGui::GetWindowDrawList();
  fill_rect(list, state.rect, theme.window, look.px(6));
  stroke_rect(list, state.rect, memory.is_active ? theme.accent : state.is_hovered ? theme.text_faint : theme.border, look.px(6));
  // Only a text that scrolls is cut off at the box; each clip costs a draw call.
  if (overflow > 0)
    list.PushClipRect(ImVec2(static_cast<float>(state.rect.x), static_cast<float>(area.top)),
                      ImVec2(static_cast<float>(state.rect.x + state.rect.w), static_cast<float>(area.top + text_height)), true);
  if (shown.empty()) {
    TextStyle faint = body_text(look);
    faint.color = theme.text_faint;
    draw_text(look, list, {area.left, area.top + look.px(2)}, spec.placeholder, faint);
  }
  draw_lines(geometry, area, shown, memory);
  if (memory.is_active) draw_caret(geometry, area, shown, memory);
  if (overflow > 0) {
    list.PopClipRect();
    draw_bar(look, area, state.rect, memory);
  }
  if (memory.is_active) look.memory.is_text_active = look.memory.has_active_text = true;
  return edited;
}

}  // namespace headroom
