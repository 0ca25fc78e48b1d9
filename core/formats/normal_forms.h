#pragma once

#include "core/formats/glyphs.h"

namespace headroom {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

/// The text in one of the four normal forms of UAX #15 (Unicode 15.0). A letter composed of several stands for the bytes of the first; marks
/// that change places stand for the bytes at their new place.
void to_normal_form(Glyphs& text, NormalForm form);

}  // namespace headroom
