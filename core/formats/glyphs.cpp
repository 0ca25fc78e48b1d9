#include "core/formats/glyphs.h"

#include <algorithm>

#include "core/formats/utf8.h"

namespace headroom {

Glyphs to_glyphs(std::string_view text, std::size_t& n_invalid_bytes) {
  Glyphs glyphs;
  glyphs.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Step step = decode_utf8(text, i);
    glyphs.push_back({step.code_point, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + step.bytes)});
    if (!step.is_valid) n_invalid_bytes += step.bytes;
    i += step.bytes;
  }
  return glyphs;
}

std::string to_utf8(const Glyphs& text, GlyphRange range) {
  std::string result;
  result.reserve(range.end - range.begin);
  for (std::size_t i = range.begin; i < range.end; ++i)
    append_utf8(result, text[i].code_point);
  return result;
}

std::size_t utf8_length(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

Glyphs changed_glyphs(const Glyphs& old, std::span<const GlyphChange> changes) {
  Glyphs result;
  result.reserve(changes.size());
  std::size_t next = 0;  // the first old glyph that is not taken yet
  for (const GlyphChange& change : changes) {
    Glyph glyph{change.code_point, 0, 0};
    if (!old.empty()) {
      const std::size_t from = change.change > 0 ? (next > 0 ? next - 1 : 0) : std::min(next, old.size() - 1);
      glyph.begin = old[from].begin;
      glyph.end = old[from].end;
    }
    if (change.change <= 0) next += 1 + static_cast<std::size_t>(-change.change);
    result.push_back(glyph);
  }
  return result;
}

}  // namespace headroom
