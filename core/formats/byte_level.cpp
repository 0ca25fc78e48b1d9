#include "core/formats/byte_level.h"

#include <string_view>

#include "core/formats/char_classes.h"
#include "core/formats/tokenizer_pipeline.h"

namespace headroom {
namespace {

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

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  static const std::array<std::int16_t, 0x180> byte_of = [] {
    std::array<std::int16_t, 0x180> bytes{};
    bytes.fill(-1);
    for (std::size_t byte = 0; byte < 256; ++byte)
      bytes[byte_characters()[byte]] = static_cast<std::int16_t>(byte);
    return bytes;
  }();
  std::string result;
  for (std::size_t i = 0; i < spelling.size();) {
    const Utf8Step step = decode_utf8(spelling, i);
    if (step.code_point >= byte_of.size() || byte_of[step.code_point] < 0) return std::nullopt;
    result.push_back(static_cast<char>(byte_of[step.code_point]));
    i += step.bytes;
  }
  return result;
}

namespace {

void append_spelling(Glyphs& result, const Glyph& glyph) {
  if (glyph.code_point < 0x80) {
    result.push_back({byte_characters()[glyph.code_point], glyph.begin, glyph.end});
    return;
  }
  std::string bytes;
  append_utf8(bytes, glyph.code_point);
  for (const char c : bytes)
    result.push_back({byte_characters()[static_cast<unsigned char>(c)], glyph.begin, glyph.end});
}

}  // namespace

void spell_bytes(Glyphs& text) {
  Glyphs result;
  result.reserve(text.size() + text.size() / 4);
  for (const Glyph& glyph : text)
    append_spelling(result, glyph);
  text = std::move(result);
}

void spell_bytes(WordText& text) {
  WordText result;
  result.glyphs.reserve(text.glyphs.size() + text.glyphs.size() / 4);
  result.words.reserve(text.words.size());
  for (const GlyphRange& word : text.words) {
    const std::size_t begin = result.glyphs.size();
    for (std::size_t i = word.begin; i < word.end; ++i)
      append_spelling(result.glyphs, text.glyphs[i]);
    result.words.push_back({begin, result.glyphs.size()});
  }
  text = std::move(result);
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
    const bool takes_space = c == U' ' && i + 1 < part.end && char_class(text[i + 1].code_point) != CharClass::kSpace;
    std::size_t end = i + (takes_space ? 1 : 0);
    const CharClass run = char_class(text[end].code_point);
    while (end < part.end && char_class(text[end].code_point) == run)
      ++end;
    // Of white space before a word the last one is left over: a space goes with the word, anything else stands alone.
    if (run == CharClass::kSpace && end < part.end && end - i > 1) --end;
    words.push_back({i, end});
    i = end;
  }
}

}  // namespace headroom
