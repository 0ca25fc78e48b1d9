#pragma once

#include <string>

#include "app/views/context.h"

namespace headroom {

/// A token as lines of the window write it: drawable, and shortened in the middle where it is longer than so many characters.
std::string token_line(const Token& token, FontFace face, std::size_t most_characters = 28);

}  // namespace headroom
