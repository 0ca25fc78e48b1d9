#include "core/formats/utf8.h"

#include <utf8proc.h>

#include <cstring>

namespace headroom {
namespace {

bool is_in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

utf8proc_category_t category_of(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

}  // namespace

Utf8Step decode_utf8(std::string_view text, std::size_t offset) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(offset);
  if (lead < 0x80) return {lead, 1, true};
  std::size_t length = 0;
  unsigned low = 0x80, high = 0xBF;  // the range of the second byte: what excludes overlong forms and surrogates
  char32_t value = 0;
  if (is_in(lead, 0xC2, 0xDF)) {
    length = 2;
    value = lead & 0x1F;
  } else if (is_in(lead, 0xE0, 0xEF)) {
    length = 3;
    value = lead & 0x0F;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (is_in(lead, 0xF0, 0xF4)) {
    length = 4;
    value = lead & 0x07;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {kReplacementCharacter, 1, false};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (offset + i >= text.size() || byte(offset + i) < low || byte(offset + i) > high) return {kReplacementCharacter, i, false};
    value = (value << 6) | (byte(offset + i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {value, length, true};
}

void append_utf8(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

std::string to_utf8(std::u32string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char32_t c : text)
    append_utf8(result, c);
  return result;
}

std::u32string to_utf32(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Step step = decode_utf8(text, i);
    result.push_back(step.code_point);
    i += step.bytes;
  }
  return result;
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    std::uint64_t eight = 0;  // most bytes are ASCII
    if (i + 8 <= text.size()) std::memcpy(&eight, text.data() + i, 8);
    if (i + 8 <= text.size() && (eight & 0x8080808080808080u) == 0) {
      i += 8;
      continue;
    }
    const Utf8Step step = decode_utf8(text, i);
    if (!step.is_valid) return i;
    i += step.bytes;
  }
  return std::nullopt;
}

bool is_white_space(char32_t c) {
  return is_in(c, 0x09, 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || is_in(c, 0x2000, 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_word_character(char32_t c) {
  if (c < 0x80) return is_in(c | 0x20, 'a', 'z') || is_in(c, '0', '9') || c == '_';
  switch (category_of(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    case UTF8PROC_CATEGORY_SO:  // circled and squared letters are alphabetic although they are symbols
      return is_in(c, 0x24B6, 0x24E9) || is_in(c, 0x1F130, 0x1F149) || is_in(c, 0x1F150, 0x1F169) || is_in(c, 0x1F170, 0x1F189);
    default:
      return c == 0x200C || c == 0x200D;
  }
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return is_in(c, 0x21, 0x2F) || is_in(c, 0x3A, 0x40) || is_in(c, 0x5B, 0x60) || is_in(c, 0x7B, 0x7E);
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool is_mark(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

char32_t lower_case(char32_t c) { return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))); }

std::string with_thousands(std::uint64_t n) {
  const std::string digits = std::to_string(n);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(std::uint64_t n, std::string_view noun) {
  return with_thousands(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

}  // namespace headroom
