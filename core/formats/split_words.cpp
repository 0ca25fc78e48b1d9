#include "core/formats/split_words.h"

#include <string_view>

#include "core/formats/char_classes.h"

namespace headroom {
namespace {

constexpr char32_t kLongS = 0x17F;  // its capital is S too

bool is_line_end(char32_t c) { return c == U'\r' || c == U'\n'; }

char32_t folded(char32_t c) { return c == kLongS ? U's' : c >= U'A' && c <= U'Z' ? c + 0x20 : c; }

class Cursor {
 public:
  Cursor(const Glyphs& text, GlyphRange part) : text_(text), end_(part.end) {}
  bool has(std::size_t i) const { return i < end_; }
  char32_t at(std::size_t i) const { return text_[i].code_point; }
  bool is(std::size_t i, CharClass wanted) const { return has(i) && char_class(at(i)) == wanted; }
  /// Past the run of one class that begins at i.
  std::size_t past(std::size_t i, CharClass run) const {
    while (is(i, run))
      ++i;
    return i;
  }

 private:
  const Glyphs& text_;
  std::size_t end_;
};

/// Past an English ending in either case, or `i` when there is none.
std::size_t past_contraction(const Cursor& text, std::size_t i) {
  if (text.at(i) != U'\'' || !text.has(i + 1)) return i;
  const char32_t first = folded(text.at(i + 1));
  if (first == U's' || first == U't' || first == U'm' || first == U'd') return i + 2;
  const char32_t second = text.has(i + 2) ? folded(text.at(i + 2)) : 0;
  const bool is_long = (second == U'e' && (first == U'r' || first == U'v')) || (first == U'l' && second == U'l');
  return is_long ? i + 3 : i;
}

/// Past white space: with its last line end, or but for the one character that goes with what follows.
std::size_t past_space(const Cursor& text, std::size_t i) {
  const std::size_t end = text.past(i, CharClass::kSpace);
  for (std::size_t k = end; k > i; --k)
    if (is_line_end(text.at(k - 1))) return k;
  return text.has(end) && end - i > 1 ? end - 1 : end;
}

std::size_t past_word(const Cursor& text, std::size_t i, std::size_t n_digits) {
  if (const std::size_t end = past_contraction(text, i); end > i) return end;
  const CharClass first = char_class(text.at(i));
  if (first == CharClass::kLetter) return text.past(i, CharClass::kLetter);
  if (first == CharClass::kNumber) {
    std::size_t end = i + 1;
    while (end - i < n_digits && text.is(end, CharClass::kNumber))
      ++end;
    return end;
  }
  if (!is_line_end(text.at(i)) && text.is(i + 1, CharClass::kLetter)) return text.past(i + 1, CharClass::kLetter);
  const std::size_t signs = text.at(i) == U' ' ? i + 1 : i;
  if (text.is(signs, CharClass::kOther)) {
    std::size_t end = text.past(signs, CharClass::kOther);
    while (text.has(end) && is_line_end(text.at(end)))
      ++end;
    return end;
  }
  return past_space(text, i);
}

void split(const Glyphs& text, GlyphRange part, std::size_t n_digits, std::vector<GlyphRange>& words) {
  const Cursor cursor(text, part);
  for (std::size_t i = part.begin; i < part.end;) {
    const std::size_t end = past_word(cursor, i, n_digits);
    words.push_back({i, end});
    i = end;
  }
}

}  // namespace

void split_three_digits(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words) { split(text, part, 3, words); }
void split_one_digit(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words) { split(text, part, 1, words); }

}  // namespace headroom
