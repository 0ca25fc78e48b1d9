#pragma once

#include "app/views/context.h"

namespace headroom {

/// The window's parts, in ImGui's screen coordinates.
struct Layout {
  Rect bar, rail, stage, inspector, strip;
};
/// From the settings, brought to what the window has room for: the stage keeps at least 380 × 240 logical pixels where it can.
Layout layout_of(const Frame& frame);

}  // namespace headroom
