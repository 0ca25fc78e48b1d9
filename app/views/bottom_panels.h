#pragma once

#include "app/views/context.h"

namespace headroom {

// What stands in the strip, left of the predictions; areas in ImGui's screen coordinates.

/// The choice between times, lens and writing, one under another. Returns its width.
double draw_bottom_tabs(const Frame& frame, const Rect& area);

/// What each layer would say next, and the wish for it where it is not known yet.
void draw_lens_panel(const Frame& frame, const Rect& area);

/// How the model writes on: options, Write, Stop, and what it wrote.
void draw_write_panel(const Frame& frame, const Rect& area);

}  // namespace headroom
