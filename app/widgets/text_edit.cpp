#include "app/widgets/text_edit.h"

#include <algorithm>

namespace headroom {
namespace {

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

std::size_t expected_bytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return 1;
  if (byte >= 0xC2 && byte < 0xE0) return 2;
  if (byte >= 0xE0 && byte < 0xF0) return 3;
  if (byte >= 0xF0 && byte < 0xF5) return 4;
  return 1;
}

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t'; }

}  // namespace

std::size_t character_bytes(std::string_view text, std::size_t at) {
  if (at >= text.size()) return 0;
  const std::size_t wanted = expected_bytes(text[at]);
  if (at + wanted > text.size()) return 1;
  for (std::size_t i = 1; i < wanted; ++i) {
    if (!is_continuation(text[at + i])) return 1;
  }
  return wanted;
}

std::size_t previous_character(std::string_view text, std::size_t at) {
  if (at == 0) return 0;
  for (std::size_t back = std::min<std::size_t>(4, at); back > 1; --back) {
    if (character_bytes(text, at - back) == back) return at - back;
  }
  return at - 1;
}

std::size_t previous_word(std::string_view text, std::size_t at) {
  while (at > 0 && is_blank(text[at - 1]))
    --at;
  while (at > 0 && !is_blank(text[at - 1]))
    --at;
  return at;
}

std::size_t next_word(std::string_view text, std::size_t at) {
  while (at < text.size() && is_blank(text[at]))
    ++at;
  while (at < text.size() && !is_blank(text[at]))
    ++at;
  return at;
}

void TextCursor::clamp_to(std::string_view text) {
  const auto onto_start = [&](std::size_t offset) {
    offset = std::min(offset, text.size());
    for (std::size_t back = 1; back < 4 && back <= offset; ++back) {
      if (offset < text.size() && character_bytes(text, offset - back) > back) return offset - back;
    }
    return offset;
  };
  at = onto_start(at);
  anchor = onto_start(anchor);
}

void replace_selection(std::string& text, TextCursor& cursor, std::string_view insert) {
  const std::size_t begin = cursor.begin();
  text.replace(begin, cursor.end() - begin, insert);
  cursor.move_to(begin + insert.size(), false);
}

void delete_to(std::string& text, TextCursor& cursor, std::size_t to) {
  if (!cursor.has_selection()) cursor.anchor = to;
  replace_selection(text, cursor, {});
}

std::string cleaned_input(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r') {
      if (i + 1 >= text.size() || text[i + 1] != '\n') clean += '\n';
    } else if (c == '\t') {
      clean += ' ';
    } else if (c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F)) {
      clean += c;
    }
  }
  return clean;
}

TextChange change_between(std::string_view old_text, std::string_view new_text) {
  const std::size_t shorter = std::min(old_text.size(), new_text.size());
  constexpr std::size_t block = 4096;  // whole blocks at once: a long text is mostly equal
  std::size_t begin = 0;
  while (begin + block <= shorter && old_text.substr(begin, block) == new_text.substr(begin, block))
    begin += block;
  while (begin < shorter && old_text[begin] == new_text[begin])
    ++begin;
  std::size_t same = 0;
  const auto tail = [](std::string_view text, std::size_t from_end, std::size_t n) {
    return text.substr(text.size() - from_end - n, n);
  };
  while (same + block <= shorter - begin && tail(old_text, same, block) == tail(new_text, same, block))
    same += block;
  while (same < shorter - begin && old_text[old_text.size() - same - 1] == new_text[new_text.size() - same - 1])
    ++same;
  return {begin, old_text.size() - same, new_text.size() - same};
}

std::size_t line_of(const std::vector<TextLine>& lines, std::size_t at) {
  const auto after = std::upper_bound(lines.begin(), lines.end(), at,
                                      [](std::size_t offset, const TextLine& line) { return offset < line.begin; });
  return after == lines.begin() ? 0 : static_cast<std::size_t>(after - lines.begin() - 1);
}

}  // namespace headroom
