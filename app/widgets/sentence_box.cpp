#include "app/widgets/sentence_box.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <cmath>

#include "app/widgets/input.h"

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
  double advance(std::string_view text, std::size_t at, std::size_t bytes) const {
    return font->CalcTextSizeA(pixels, FLT_MAX, 0, text.data() + at, text.data() + at + bytes).x;
  }
  double width(std::string_view text) const { return advance(text, 0, text.size()); }
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
};

void rewrap(const Geometry& geometry, const std::string& text, float width, SentenceBoxMemory& memory) {
  if (memory.wrapped_width == width && memory.wrapped_text == text) return;
  memory.wrapped_text = text;
  memory.wrapped_width = width;
  memory.lines = wrap_lines(std::string_view(text), width, [&](std::string_view all, std::size_t at, std::size_t bytes) {
    return geometry.advance(all, at, bytes);
  });
}

bool edit_by_keys(std::string& text, TextCursor& cursor) {
  const ImGuiIO& io = ImGui::GetIO();
  bool is_edited = false;
  if (!io.KeyCtrl || io.KeyAlt) {
    std::string typed;
    for (const ImWchar c : io.InputQueueCharacters) {
      if (c < 0x20 || c == 0x7F || (c >= 0xD800 && c < 0xE000)) continue;
      const auto code = static_cast<unsigned int>(c);
      if (code < 0x80) {
        typed += static_cast<char>(code);
      } else if (code < 0x800) {
        typed += static_cast<char>(0xC0 | (code >> 6));
        typed += static_cast<char>(0x80 | (code & 0x3F));
      } else {
        typed += static_cast<char>(0xE0 | ((code >> 12) & 0x0F));
        typed += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
        typed += static_cast<char>(0x80 | (code & 0x3F));
      }
    }
    if (pressed(Key::kEnter, KeyRepeat::kOn)) typed += '\n';
    if (!typed.empty()) {
      replace_selection(text, cursor, typed);
      is_edited = true;
    }
  }
  const bool by_word = io.KeyCtrl;
  if (pressed(Key::kBackspace, KeyRepeat::kOn) && (cursor.has_selection() || cursor.at > 0)) {
    delete_to(text, cursor, by_word ? previous_word(text, cursor.at) : previous_character(text, cursor.at));
    is_edited = true;
  }
  if (pressed(Key::kDelete, KeyRepeat::kOn) && (cursor.has_selection() || cursor.at < text.size())) {
    delete_to(text, cursor, by_word ? next_word(text, cursor.at) : cursor.at + character_bytes(text, cursor.at));
    is_edited = true;
  }
  if (io.KeyCtrl && pressed(Key::kA)) cursor = {.at = text.size(), .anchor = 0};
  if (io.KeyCtrl && (pressed(Key::kC) || pressed(Key::kX)) && cursor.has_selection()) {
    ImGui::SetClipboardText(text.substr(cursor.begin(), cursor.end() - cursor.begin()).c_str());
    if (pressed(Key::kX)) {
      replace_selection(text, cursor, {});
      is_edited = true;
    }
  }
  if (io.KeyCtrl && pressed(Key::kV)) {
    const char* clipboard = ImGui::GetClipboardText();
    const std::string insert = cleaned_input(clipboard == nullptr ? "" : clipboard);
    if (!insert.empty()) {
      replace_selection(text, cursor, insert);
      is_edited = true;
    }
  }
  return is_edited;
}

/// Arrow keys, Home and End. True when the cursor moved.
bool move_by_keys(const Geometry& geometry, const std::string& text, SentenceBoxMemory& memory) {
  TextCursor& cursor = memory.cursor;
  const ImGuiIO& io = ImGui::GetIO();
  const std::size_t before = cursor.at;
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
  const int step = (pressed(Key::kDown, KeyRepeat::kOn) ? 1 : 0) - (pressed(Key::kUp, KeyRepeat::kOn) ? 1 : 0);
  if (step != 0) {
    const double x = geometry.width(std::string_view(text).substr(line.begin, cursor.at - line.begin));
    const auto target = static_cast<std::ptrdiff_t>(row) + step;
    if (target < 0) {
      cursor.move_to(0, selects);
    } else if (target >= static_cast<std::ptrdiff_t>(memory.lines.size())) {
      cursor.move_to(text.size(), selects);
    } else {
      cursor.move_to(geometry.offset_at(text, memory.lines[static_cast<std::size_t>(target)], x), selects);
    }
  }
  return cursor.at != before;
}

struct TextArea {
  double left = 0, top = 0;  ///< of line 0 without scroll
  float line_height = 0, height = 0;
};

void draw_lines(const Geometry& geometry, const TextArea& area, const std::string& text, const SentenceBoxMemory& memory) {
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const Theme& theme = geometry.look.theme;
  const std::string_view all(text);
  const auto first = static_cast<std::size_t>(std::max(0.0f, memory.scroll / area.line_height));
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
              all.substr(line.begin, line.end - line.begin), geometry.style);
  }
}

void draw_caret(const Geometry& geometry, const TextArea& area, const std::string& text, SentenceBoxMemory& memory) {
  const double since = std::fmod(ImGui::GetTime() - memory.blink_from, 2 * kBlinkSeconds);
  const double until_turn = since < kBlinkSeconds ? kBlinkSeconds - since : 2 * kBlinkSeconds - since;
  geometry.look.memory.tooltip_wait = std::min(geometry.look.memory.tooltip_wait, until_turn + 0.005);
  if (since >= kBlinkSeconds) return;
  const std::size_t row = line_of(memory.lines, memory.cursor.at);
  const TextLine line = memory.lines[row];
  const double x = area.left + geometry.width(std::string_view(text).substr(line.begin, memory.cursor.at - line.begin));
  const double y = area.top + static_cast<double>(row) * area.line_height - memory.scroll;
  fill_rect(
      *ImGui::GetWindowDrawList(),
      {std::floor(x), y + geometry.look.px(1), std::max(1.0f, geometry.look.px(1.25)), area.line_height - geometry.look.px(2)},
      geometry.look.theme.accent);
}

void follow_mouse(const Geometry& geometry, const TextArea& area, const ItemState& state, const std::string& text,
                  SentenceBoxMemory& memory) {
  const ImGuiIO& io = ImGui::GetIO();
  if (!state.is_held) {
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

}  // namespace

std::optional<std::string> sentence_box(const Look& look, const SentenceBox& spec, SentenceBoxMemory& memory) {
  const Theme& theme = look.theme;
  const Geometry geometry(look);
  const float padding = look.px(10), line_height = look.px(kLineHeight);
  const float inner = spec.width - 2 * padding;
  memory.cursor.clamp_to(spec.text);
  rewrap(geometry, spec.text, inner, memory);

  const int n_lines = std::clamp(static_cast<int>(memory.lines.size()), spec.min_lines, spec.max_lines);
  const float text_height = static_cast<float>(n_lines) * line_height, height = text_height + look.px(16);
  const ItemState state = item(
      look, {.name = spec.name, .w = spec.width, .h = height, .tooltip = memory.is_active ? std::string_view{} : spec.tooltip});
  const TextArea area{
      .left = state.rect.x + padding, .top = state.rect.y + look.px(8), .line_height = line_height, .height = text_height};

  if (state.is_hovered) ImGui::SetMouseCursor(ImGuiMouseCursor_TextInput);
  const bool is_clicked_elsewhere = ImGui::IsMouseClicked(ImGuiMouseButton_Left) && !state.is_hovered;
  const bool was_active = memory.is_active;
  if (state.is_held || (state.is_focused && !was_active)) memory.is_active = true;
  if (is_clicked_elsewhere || ImGui::GetIO().WantTextInput || (was_active && look.memory.focused != state.id))
    memory.is_active = false;
  if (was_active && pressed(Key::kEscape)) {
    memory.is_active = false;
    look.memory.focused = 0;
  }
  if (memory.is_active && !was_active) memory.blink_from = ImGui::GetTime();

  std::optional<std::string> edited;
  if (memory.is_active && was_active) {
    std::string text = spec.text;
    const std::size_t before = memory.cursor.at;
    if (edit_by_keys(text, memory.cursor)) {
      rewrap(geometry, text, inner, memory);
      edited = std::move(text);
    }
    const std::string& now = edited ? *edited : spec.text;
    move_by_keys(geometry, now, memory);
    if (memory.cursor.at != before) {
      memory.blink_from = ImGui::GetTime();
      const float y = static_cast<float>(line_of(memory.lines, memory.cursor.at)) * line_height;
      memory.scroll = std::clamp(memory.scroll, y + line_height - text_height, y);
    }
  }
  const std::string& shown = edited ? *edited : spec.text;
  follow_mouse(geometry, area, state, shown, memory);
  const float overflow = std::max(0.0f, static_cast<float>(memory.lines.size()) * line_height - text_height);
  if (state.is_hovered && overflow > 0) {
    // The wheel is for the text here, not for the panel around it.
#if IMGUI_VERSION_NUM >= 18920
    ImGui::SetItemKeyOwner(ImGuiKey_MouseWheelY);
#else
    ImGui::SetItemUsingMouseWheel();
#endif
    memory.scroll -= ImGui::GetIO().MouseWheel * line_height * 2;
  }
  memory.scroll = std::clamp(memory.scroll, 0.0f, overflow);

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
  if (overflow > 0) list.PopClipRect();
  if (overflow > 0) {
    const float share = text_height / (text_height + overflow), bar = std::max(look.px(12), text_height * share);
    fill_rect(
        list,
        {state.rect.x + state.rect.w - look.px(5), area.top + memory.scroll / overflow * (text_height - bar), look.px(3), bar},
        theme.border, look.px(1.5));
  }
  look.memory.is_text_active = memory.is_active;
  return edited;
}

}  // namespace headroom
