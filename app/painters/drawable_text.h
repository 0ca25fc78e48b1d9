#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace headroom {

/// The text as a painter with limited fonts can draw it: a character for which `can_draw` says no becomes \u{1F642} (its code point), a
/// control character too, and a byte that is no UTF-8 becomes \xFF. ASCII letters are never asked about.
std::string drawable_text(std::string_view text, const std::function<bool(char32_t)>& can_draw);

/// The code point at `at`, and how many bytes it takes. Not UTF-8 (overlong, surrogate, cut off, above U+10FFFF): `is_valid` is false and
/// the length 1.
struct CodePoint {
  char32_t value = 0;
  std::size_t length = 1;
  bool is_valid = true;
};
CodePoint code_point_at(std::string_view text, std::size_t at);

}  // namespace headroom
