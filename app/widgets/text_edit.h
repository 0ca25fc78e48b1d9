#pragma once

#include <algorithm>
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

/// The line that shows byte offset `at`.
std::size_t line_of(const std::vector<TextLine>& lines, std::size_t at);

/// Breaks text at spaces, else anywhere, so that no line is wider than `width`. `advance(text, at, bytes)` is a character's width. Lines are
/// handed to `take(line)` from the one that begins at `from`, which must be a line's begin; it returns whether to go on.
/// Edge  An empty text has one empty line; a text that ends in a line end has an empty last line.
template <class Advance, class Take>
void wrap_from(std::string_view text, std::size_t from, double width, const Advance& advance, const Take& take) {
  std::size_t begin = from, space = std::string_view::npos;
  double used = 0;
  std::size_t at = from;
  while (at < text.size()) {
    const std::size_t bytes = character_bytes(text, at);
    if (text[at] == '\n') {
      if (!take(TextLine{begin, at})) return;
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
      if (!take(TextLine{begin, at_space ? space : at})) return;
      begin = at_space ? space + 1 : at;
      at = begin;
      used = 0;
      space = std::string_view::npos;
      continue;
    }
    used += step;
    at += bytes;
  }
  take(TextLine{begin, text.size()});
}

template <class Advance>
std::vector<TextLine> wrap_lines(std::string_view text, double width, const Advance& advance) {
  std::vector<TextLine> lines;
  wrap_from(text, 0, width, advance, [&](TextLine line) {
    lines.push_back(line);
    return true;
  });
  return lines;
}

/// Where two texts differ: bytes [begin, old_end) of the one became bytes [begin, new_end) of the other.
struct TextChange {
  std::size_t begin = 0, old_end = 0, new_end = 0;
};
TextChange change_between(std::string_view old_text, std::string_view new_text);

/// Brings `lines`, those of `old_text` at this width, to those of `new_text`: only what the change can have moved is wrapped again, so that
/// a letter typed into a long text costs about a line.
template <class Advance>
void rewrap_lines(std::string_view old_text, std::string_view new_text, double width, const Advance& advance,
                  std::vector<TextLine>& lines) {
  const TextChange change = change_between(old_text, new_text);
  // A shorter word can move up; a break depends on no more than the line after it and one letter.
  const std::size_t changed = line_of(lines, change.begin), first = changed - std::min<std::size_t>(changed, 2);
  const std::size_t shift = change.new_end - change.old_end;  // modulo 2^64: subtracting it works too
  std::size_t kept = lines.size();                            // old lines from here on follow the new ones, shifted
  std::vector<TextLine> made;
  wrap_from(new_text, lines[first].begin, width, advance, [&](TextLine line) {
    if (line.begin >= change.new_end) {
      const std::size_t old = line_of(lines, line.begin - shift);
      if (lines[old].begin == line.begin - shift) {
        kept = old;
        return false;
      }
    }
    made.push_back(line);
    return true;
  });
  for (std::size_t i = kept; i < lines.size(); ++i)
    lines[i] = {lines[i].begin + shift, lines[i].end + shift};
  const auto at = [&](std::size_t i) { return lines.begin() + static_cast<std::ptrdiff_t>(i); };
  lines.insert(lines.erase(at(first), at(kept)), made.begin(), made.end());
}

}  // namespace headroom
