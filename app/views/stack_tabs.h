#pragma once

#include "app/views/context.h"

namespace headroom {

/// Of an encoder-decoder a row at the top of `area` that chooses which of its attentions the stage looks at, and says what the axes are.
/// Returns its height; 0 for other models.
double draw_stack_tabs(const Frame& frame, const Rect& area);

bool has_stacks(const Frame& frame);
void next_stack(const Frame& frame);

}  // namespace headroom
