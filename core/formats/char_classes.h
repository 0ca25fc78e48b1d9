#pragma once

#include "core/formats/utf8.h"

namespace headroom {

// General categories of Unicode 15.0; unassigned code points belong to none of these.

bool is_letter(char32_t code_point);           ///< \p{L}
bool is_number(char32_t code_point);           ///< \p{N}
bool is_nonspacing_mark(char32_t code_point);  ///< \p{Mn}
/// Control, format and private use characters: Cc, Cf, Co.
bool is_control(char32_t code_point);
/// The ideographs around which BERT's tokenizers put spaces: CJK blocks, not kana or hangul.
bool is_chinese_character(char32_t code_point);

/// What the split patterns of byte-level tokenizers tell apart.
enum class CharClass : unsigned char { kLetter, kNumber, kSpace, kOther };
CharClass char_class(char32_t code_point);

}  // namespace headroom
