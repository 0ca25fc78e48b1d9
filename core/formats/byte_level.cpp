#include "core/formats/byte_level.h"

#include <utf8proc.h>

#include <string_view>

#include "core/formats/utf8.h"

namespace headroom {
namespace {

enum class Class : unsigned char { kLetter, kNumber, kSpace, kOther };

Class class_of_any(char32_t c) {
  if (is_white_space(c)) return Class::kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return Class::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Class::kNumber;
    default:
      return Class::kOther;
  }
}

Class class_of(char32_t c) {
  static const std::array<Class, 128> table = [] {
    std::array<Class, 128> classes{};
    for (char32_t ascii = 0; ascii < 128; ++ascii)
      classes[ascii] = class_of_any(ascii);
    return classes;
  }();
  return c < 128 ? table[c] : class_of_any(c);
}

/// The length of an English ending after an apostrophe at `at`, apostrophe included; 0 when there is none.
std::size_t contraction_at(const Glyphs& text, std::size_t at, std::size_t end) {
  static constexpr std::u32string_view kEndings[] = {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};
  for (const std::u32string_view ending : kEndings) {
    if (end - at < ending.size()) continue;
    std::size_t i = 0;
    while (i < ending.size() && text[at + i].code_point == ending[i])
      ++i;
    if (i == ending.size()) return i;
  }
  return 0;
}

}  // namespace

const std::array<char32_t, 256>& byte_characters() {
  static const std::array<char32_t, 256> table = [] {
    std::array<char32_t, 256> characters{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool is_visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      characters[byte] = is_visible ? byte : next++;
    }
    return characters;
  }();
  return table;
}

std::string byte_spelling(std::string_view bytes) {
  std::string text;
  for (const char c : bytes)
    append_utf8(text, byte_characters()[static_cast<unsigned char>(c)]);
  return text;
}

void split_byte_level(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words) {
  for (std::size_t i = part.begin; i < part.end;) {
    const char32_t c = text[i].code_point;
    if (c == U'\'') {
      if (const std::size_t length = contraction_at(text, i, part.end); length > 0) {
        words.push_back({i, i + length});
        i += length;
        continue;
      }
    }
    const bool takes_space = c == U' ' && i + 1 < part.end && class_of(text[i + 1].code_point) != Class::kSpace;
    std::size_t end = i + (takes_space ? 1 : 0);
    const Class run = class_of(text[end].code_point);
    while (end < part.end && class_of(text[end].code_point) == run)
      ++end;
    // Of white space before a word the last one is left over: a space goes with the word, anything else stands alone.
    if (run == Class::kSpace && end < part.end && end - i > 1) --end;
    words.push_back({i, end});
    i = end;
  }
}

}  // namespace headroom
