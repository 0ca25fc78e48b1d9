#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/widgets/controls.h"
#include "app/widgets/text_edit.h"

namespace headroom {

/// What the box remembers between frames. The text itself is the caller's.
struct SentenceBoxMemory {
  TextCursor cursor;
  bool is_active = false;
  bool is_dragging = false;
  float scroll = 0;
  double blink_from = 0;
  // Line breaks, kept until the text or the width changes.
  std::string wrapped_text;
  float wrapped_width = -1;
  std::vector<TextLine> lines;
};

struct SentenceBox {
  std::string_view name, tooltip, placeholder;
  const std::string& text;
  float width = 0;
  int min_lines = 2, max_lines = 6;
};

/// A box of text that wraps, with what one expects of one: mouse and Shift selection, words by Ctrl, clipboard, Home and End. Returns the new
/// text when it was edited in this frame. Undo and redo are the program's: Ctrl+Z is left alone here.
/// Edge  Any bytes are kept as they are; those that are no UTF-8 are drawn as one mark each.
std::optional<std::string> sentence_box(const Look& look, const SentenceBox& spec, SentenceBoxMemory& memory);

}  // namespace headroom
