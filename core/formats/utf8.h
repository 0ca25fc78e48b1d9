#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace headroom {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

/// One code point read from bytes.
struct Utf8Step {
  char32_t code_point = kReplacementCharacter;
  std::size_t bytes = 1;  ///< how many bytes it takes; for invalid input the longest part that could have begun a code point
  bool is_valid = true;
};

/// The code point at `offset`, which must be inside `text`. Overlong forms, surrogates and values above U+10FFFF are invalid.
Utf8Step decode_utf8(std::string_view text, std::size_t offset);
void append_utf8(std::string& text, char32_t code_point);
std::string to_utf8(std::u32string_view text);
/// Invalid parts become U+FFFD.
std::u32string to_utf32(std::string_view text);
/// Offset of the first byte that is no valid UTF-8, or nothing.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

/// Unicode's White_Space property: the 25 code points that \s matches.
bool is_white_space(char32_t code_point);
/// What \w matches: alphabetic, marks, decimal digits, connector punctuation, the two joiners (UTS #18, annex C).
bool is_word_character(char32_t code_point);
/// ASCII punctuation and symbols, and the general categories P*.
bool is_punctuation(char32_t code_point);
/// General category M*.
bool is_mark(char32_t code_point);
/// The one small letter of a capital; anything else as it is.
char32_t lower_case(char32_t code_point);

/// "1 byte", "3 tensors", "100,001 tokens".
std::string counted(std::uint64_t n, std::string_view noun);
/// "100,001": the same in every locale.
std::string with_thousands(std::uint64_t n);

}  // namespace headroom
