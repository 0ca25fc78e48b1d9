#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headroom {

/// One code point of a text on its way through a tokenizer, and the bytes of the original text that it came from.
struct Glyph {
  char32_t code_point = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};
using Glyphs = std::vector<Glyph>;

/// Half-open range of Glyphs.
struct GlyphRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// The text as glyphs; invalid UTF-8 becomes U+FFFD, and its bytes are counted.
Glyphs to_glyphs(std::string_view text, std::size_t& n_invalid_bytes);
/// The code points of a range as UTF-8.
std::string to_utf8(const Glyphs& text, GlyphRange range);
/// How many bytes a code point takes in UTF-8.
std::size_t utf8_length(char32_t code_point);

/// One code point of a rewritten text, and how it follows from the old one: 0 takes the place of the next old glyph, 1 is new and stands for
/// the same bytes as the old glyph before it, -n takes the place of the next one and removes n more.
struct GlyphChange {
  char32_t code_point = 0;
  std::int32_t change = 0;
};

/// The text that the changes make of the old one. Old glyphs are taken in order, so after a reordering a glyph stands for the bytes at its
/// new place. Edge  More glyphs taken than there are: the last one is taken again.
Glyphs changed_glyphs(const Glyphs& old, std::span<const GlyphChange> changes);

}  // namespace headroom
