#include "core/formats/rewrite.h"

#include <algorithm>

#include "core/formats/utf8.h"

namespace headroom {
namespace {

constexpr char32_t kDottedCapitalI = 0x130;  // the one code point whose small letter is two

char32_t small_letter(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
  return lower_case(c);
}

}  // namespace

void to_lower_case(Glyphs& text) {
  const auto n_dotted = std::count_if(text.begin(), text.end(), [](const Glyph& g) { return g.code_point == kDottedCapitalI; });
  if (n_dotted == 0) {
    for (Glyph& glyph : text)
      glyph.code_point = small_letter(glyph.code_point);
    return;
  }
  Glyphs result;
  result.reserve(text.size() + static_cast<std::size_t>(n_dotted));
  for (const Glyph& glyph : text) {
    if (glyph.code_point == kDottedCapitalI) {
      result.push_back({U'i', glyph.begin, glyph.end});
      result.push_back({0x307, glyph.begin, glyph.end});
    } else {
      result.push_back({small_letter(glyph.code_point), glyph.begin, glyph.end});
    }
  }
  text = std::move(result);
}

void put_before(Glyphs& text, std::u32string_view characters) {
  if (text.empty()) return;
  Glyphs before;
  before.reserve(characters.size());
  for (const char32_t c : characters)
    before.push_back({c, text[0].begin, text[0].end});
  text.insert(text.begin(), before.begin(), before.end());
}

}  // namespace headroom
