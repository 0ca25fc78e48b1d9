#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/glyphs.h"

namespace headroom {

struct WordText;

/// The visible character that stands for each byte in a byte-level vocabulary: printable ones stand for themselves, the others for
/// U+0100 and on, in order; a space is "Ġ", a line end "Ċ".
/// Source  Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2, and its released vocabulary.
const std::array<char32_t, 256>& byte_characters();

/// Bytes as a byte-level vocabulary spells them: " cat" is "Ġcat".
std::string byte_spelling(std::string_view bytes);
/// The bytes that such a spelling stands for, or nothing when a character stands for no byte.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

/// Each character becomes the characters that stand for its UTF-8 bytes; all of them stand for its place in the text.
void spell_bytes(Glyphs& text);
/// The same of each word; what is in no word goes.
void spell_bytes(WordText& text);

/// Cuts a text into words as GPT-2 does, leaving nothing out: a word takes one space before it along, and letters, digits, other signs and
/// white space do not mix. The same as  's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// So a text may be cut into parts before any white space that follows something else.
void split_byte_level(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words);

}  // namespace headroom
