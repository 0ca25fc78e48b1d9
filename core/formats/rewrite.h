#pragma once

#include <string_view>

#include "core/formats/glyphs.h"

namespace headroom {

/// Small letters (Unicode 15.0), one by one: a final sigma is like any other. U+0130 becomes two code points.
void to_lower_case(Glyphs& text);
/// Puts characters before a text that is not empty; they stand for the bytes of its first character.
void put_before(Glyphs& text, std::u32string_view characters);

}  // namespace headroom
