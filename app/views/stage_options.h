#pragma once

#include "app/views/context.h"

namespace headroom {

/// Where the stage's options may stand, ImGui's screen coordinates.
struct OptionsPlace {
  float tabs_end = 0, right = 0, top = 0, height = 0;
};
/// Sort, scale, first token, ...: those that apply to the view, right-aligned beside the tabs; where there is no room, in a row below them.
/// Returns the height of that row (0 when it was not needed).
float draw_stage_options(const Frame& frame, const OptionsPlace& place);

}  // namespace headroom
