#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace headroom {

/// Bytes of the character that starts at `at`: a whole UTF-8 sequence, or one byte where the bytes are no UTF-8. 0 at the end.
std::size_t character_bytes(std::string_view text, std::size_t at);
/// Start of the character before `at`; 0 at the beginning.
std::size_t previous_character(std::string_view text, std::size_t at);
/// Start of the word before `at`, or end of the word after it; spaces between are passed over.
std::size_t previous_word(std::string_view text, std::size_t at);
std::size_t next_word(std::string_view text, std::size_t at);

/// Cursor and selection in a text that somebody else owns. Offsets are bytes, always at the start of a character.
struct TextCursor {
  std::size_t at = 0;
  std::size_t anchor = 0;  ///< the selection's other end; equal to `at` when nothing is selected
  bool has_selection() const { return at != anchor; }
  std::size_t begin() const { return at < anchor ? at : anchor; }
  std::size_t end() const { return at < anchor ? anchor : at; }
  void move_to(std::size_t offset, bool selects) {
    at = offset;
    if (!selects) anchor = offset;
  }
  /// Into the text and onto a character's start, after somebody else changed the text.
  void clamp_to(std::string_view text);
};

/// Puts `insert` in the selection's place; the cursor stands behind it.
void replace_selection(std::string& text, TextCursor& cursor, std::string_view insert);
/// Deletes the selection, else what lies between the cursor and `to`.
void delete_to(std::string& text, TextCursor& cursor, std::size_t to);
/// What a clipboard or keyboard may bring in: line ends become '\n', tabs become spaces, other control characters go.
std::string cleaned_input(std::string_view text);

/// One line as it is drawn: bytes [begin, end); the character at `end` (a space, a line end) may belong to the break.
struct TextLine {
  std::size_t begin = 0, end = 0;
};

/// Breaks text at spaces, else anywhere, so that no line is wider than `width`. `advance(text, at, bytes)` is a character's width.
/// Edge  An empty text has one empty line; a text that ends in a line end has an empty last line.
template <class Advance>
std::vector<TextLine> wrap_lines(std::string_view text, double width, const Advance& advance) {
  std::vector<TextLine> lines;
  std::size_t begin = 0, space = std::string_view::npos;
  double used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t bytes = character_bytes(text, at);
    if (text[at] == '\n') {
      lines.push_back({begin, at});
      begin = at + 1;
      at = begin;
      used = 0;
      space = std::string_view::npos;
      continue;
    }
    const double step = advance(text, at, bytes);
    if (text[at] == ' ') {
      space = at;  // a space may hang over the edge
    } else if (used + step > width && at > begin) {
      const bool at_space = space != std::string_view::npos;
      lines.push_back({begin, at_space ? space : at});
      begin = at_space ? space + 1 : at;
      at = begin;
      used = 0;
      space = std::string_view::npos;
      continue;
    }
    used += step;
    at += bytes;
  }
  lines.push_back({begin, text.size()});
  return lines;
}

/// The line that shows byte offset `at`.
std::size_t line_of(const std::vector<TextLine>& lines, std::size_t at);

}  // namespace headroom
