#pragma once

#include <cairo.h>

#include <cstddef>
#include <mutex>
#include <string_view>

#include "core/figure/figure.h"

namespace headroom {

/// FreeType's faces and Cairo's caches of them belong to the process and are no good to two threads at once: held by whoever measures or
/// draws.
std::mutex& cairo_font_mutex();

/// Sum of the advances, unhinted and without kerning, as the window's painter adds them up. Call with the mutex held.
double text_width(std::string_view text, FontFace face, double size);

/// Draws level text; its left end and its vertical middle are at the origin. Call with the mutex held.
void show_text(cairo_t* cairo, std::string_view text, FontFace face, double size);

}  // namespace headroom
