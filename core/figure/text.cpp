#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <utf8proc.h>

#include "core/figure/figure.h"
#include "core/formats/byte_level.h"
#include "core/formats/utf8.h"

namespace headroom {
namespace {

/// Byte offsets at which a grapheme begins, and the end: cutting elsewhere would tear accents and emoji apart.
std::vector<std::size_t> grapheme_starts(std::string_view text) {
  std::vector<std::size_t> starts;
  utf8proc_int32_t state = 0;
  char32_t previous = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = decode_utf8(text, at);
    const bool breaks = at == 0 || utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous),
                                                                    static_cast<utf8proc_int32_t>(step.code_point), &state);
    if (breaks) starts.push_back(at);
    previous = step.code_point;
    at += step.bytes;
  }
  starts.push_back(text.size());
  return starts;
}

std::vector<std::size_t> code_point_starts(std::string_view text) {
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < text.size(); at += decode_utf8(text, at).bytes)
    starts.push_back(at);
  starts.push_back(text.size());
  return starts;
}

/// As much of both ends as fits, cut at the given places only; empty when not even "…" fits.
template <typename Fits>
std::string shortened_at(std::string_view text, const std::vector<std::size_t>& starts, const Fits& fits) {
  const std::size_t n = starts.size() - 1;
  const auto shortened = [&](std::size_t kept) {
    const std::size_t head = (kept + 1) / 2, tail = kept - head;
    return std::string(text.substr(0, starts[head])) + "…" + std::string(text.substr(starts[n - tail]));
  };
  std::size_t low = 0, high = n > 0 ? n - 1 : 0;  // most pieces that fit
  while (low < high) {
    const std::size_t middle = (low + high + 1) / 2;
    if (fits(shortened(middle))) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const std::string result = shortened(low);
  return fits(result) ? result : std::string();
}

std::string code_point_text(char32_t code_point) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\u{%X}", static_cast<unsigned>(code_point));
  return text.data();
}

/// Characters that would change how their neighbours are drawn, or cannot be seen.
bool is_invisible(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (c == 0x200D || (c >= 0xFE00 && c <= 0xFE0F)) return false;  // joiner and variation selectors: parts of emoji
  switch (category) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:  // direction marks and overrides among them
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return false;
  }
}

void append_visible(std::string& text, char32_t c) {
  if (c == ' ') {
    text += "·";
  } else if (c == '\n') {
    text += "↵";
  } else if (c == '\t') {
    text += "→";
  } else if (is_invisible(c) || is_white_space(c)) {
    text += code_point_text(c);
  } else {
    append_utf8(text, c);
  }
}

/// Whether a code point runs from right to left; marks go with the letter before them.
bool is_right_to_left(char32_t c) {
  const auto bidi = utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->bidi_class;
  return bidi == UTF8PROC_BIDI_CLASS_R || bidi == UTF8PROC_BIDI_CLASS_AL;
}

/// Painters put letters from left to right: words of right-to-left scripts are turned around, grapheme by grapheme.
std::string in_visual_order(const std::string& text) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::all_of(text.begin(), text.end(), is_ascii)) return text;
  const std::vector<std::size_t> starts = grapheme_starts(text);
  std::string ordered;
  std::vector<std::string_view> turned;
  const auto flush = [&] {
    for (auto it = turned.rbegin(); it != turned.rend(); ++it)
      ordered += *it;
    turned.clear();
  };
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    const std::string_view grapheme = std::string_view(text).substr(starts[i], starts[i + 1] - starts[i]);
    if (is_right_to_left(decode_utf8(text, starts[i]).code_point)) {
      turned.push_back(grapheme);
    } else {
      flush();
      ordered += grapheme;
    }
  }
  flush();
  return ordered;
}

void append_spelled(std::string& shown, std::string_view spelled) {
  for (std::size_t at = 0; at < spelled.size();) {
    const Utf8Step step = decode_utf8(spelled, at);
    if (step.is_valid) {
      append_visible(shown, step.code_point);
    } else {
      for (std::size_t i = 0; i < step.bytes; ++i) {
        std::array<char, 8> byte{};
        std::snprintf(byte.data(), byte.size(), "\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(spelled[at + i])));
        shown += byte.data();
      }
    }
    at += step.bytes;
  }
}

/// Unknown words, and what a byte-level vocabulary spells in its own way ("Ġcat", "cafÃ©"), are shown as the text has them.
bool is_shown_as_written(const Token& token) {
  if (token.source.empty()) return false;
  return token.is_unknown || (token.text.size() <= 2 * token.source.size() && token.text == byte_spelling(token.source));
}

/// Of a word of a megabyte only the ends: nobody sees its middle, and each label would cost as much as a page.
std::string visible(const Token& token) {
  constexpr std::size_t end = 1024;
  const std::string_view spelled = is_shown_as_written(token) ? token.source : token.text;
  const auto is_torn = [&](std::size_t at) { return (static_cast<unsigned char>(spelled[at]) & 0xC0) == 0x80; };
  std::string shown;
  if (spelled.size() <= 2 * end) {
    append_spelled(shown, spelled);
  } else {
    std::size_t head = end, tail = spelled.size() - end;
    for (int step = 0; step < 3 && is_torn(head); ++step)
      --head;
    for (int step = 0; step < 3 && is_torn(tail); ++step)
      ++tail;
    append_spelled(shown, spelled.substr(0, head));
    shown += "…";
    append_spelled(shown, spelled.substr(tail));
  }
  if (shown.empty()) shown = "∅";
  return shown;
}

}  // namespace

std::string shorten_middle(std::string_view text, double max_width, FontFace face, double size, const TextMeasurer& measurer) {
  const auto fits = [&](const std::string& shown) { return measurer.width(shown, face, size) <= max_width; };
  if (measurer.width(text, face, size) <= max_width) return std::string(text);
  // A megabyte without a space is cut before it is measured: its middle can never be seen.
  constexpr std::size_t kMaxSide = 256;
  std::string joined;
  if (text.size() > 8 * kMaxSide) {
    const std::string head(text.substr(0, 4 * kMaxSide)), tail(text.substr(text.size() - 4 * kMaxSide));
    const std::vector<std::size_t> head_starts = grapheme_starts(head), tail_starts = grapheme_starts(tail);
    // The outermost graphemes at the cuts may be torn; they are dropped.
    const std::size_t head_end = head_starts[head_starts.size() - 2];
    const std::size_t tail_begin = tail_starts[std::min<std::size_t>(4, tail_starts.size() - 1)];
    joined = head.substr(0, head_end) + tail.substr(tail_begin);
    text = joined;
  }
  const std::string by_graphemes = shortened_at(text, grapheme_starts(text), fits);
  // A grapheme of many code points that the painter has to spell out may not fit at all: then part of its spelling says more than "…".
  const auto is_poor = [](const std::string& shown) { return grapheme_starts(shown).size() - 1 <= 3; };
  if (!is_poor(by_graphemes)) return by_graphemes;
  const std::string by_code_points = shortened_at(text, code_point_starts(text), fits);
  return by_code_points.size() > by_graphemes.size() ? by_code_points : by_graphemes;
}

std::string display_token(const Token& token) {
  const std::string shown = in_visual_order(visible(token));
  return token.is_unknown ? "‹" + shown + "›" : shown;
}

}  // namespace headroom
