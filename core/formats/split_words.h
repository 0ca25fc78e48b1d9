#pragma once

#include <vector>

#include "core/formats/glyphs.h"

namespace headroom {

// Hand-written splitters for expressions that tokenizer files hold verbatim; each appends the words of `part`, leaving nothing out.

/// LLaMA 3:  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
void split_three_digits(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words);
/// Qwen2: the same with single digits, \p{N}.
void split_one_digit(const Glyphs& text, GlyphRange part, std::vector<GlyphRange>& words);

}  // namespace headroom
