#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/widgets/controls.h"
#include "app/widgets/text_edit.h"
#include "core/session/shared_text.h"

namespace headroom {

/// What the box remembers between frames. The text itself is the caller's.
struct SentenceBoxMemory {
  TextCursor cursor;
  bool is_active = false;
  bool is_dragging = false;
  double scroll = 0;  ///< ImGui pixels
  double blink_from = 0;
  bool takes_focus = false;   ///< set by the caller: the keyboard is this box's from the next frame on
  bool is_scrolling = false;  ///< the bar at the right is held
  // Line breaks, kept until the text, the width or the font's letters change.
  SharedText wrapped_text;
  float wrapped_width = -1;
  int wrapped_glyphs = -1;
  std::vector<TextLine> lines;
};

struct SentenceBox {
  std::string_view name, tooltip, placeholder;
  const SharedText& text;
  float width = 0;
  int min_lines = 2, max_lines = 6;
};

/// A box of text that wraps, with what one expects of one: mouse and Shift selection, words by Ctrl, clipboard, Home and End. Returns the new
/// text when it was edited in this frame. Undo and redo are the program's: Ctrl+Z is left alone here.
/// Edge  Any bytes are kept as they are; what the fonts cannot draw is shown as its code point. A frame costs what is visible, whatever the
///       text's length; a changed text is wrapped again only where it changed.
std::optional<SharedText> sentence_box(const Look& look, const SentenceBox& spec, SentenceBoxMemory& memory);

}  // namespace headroom
