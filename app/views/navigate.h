#pragma once

#include "app/views/context.h"

namespace headroom {

/// Arrow keys: on Heads the chosen head moves by layers and heads; elsewhere the chosen cell by queries and keys.
void move_selection(const Frame& frame, int down, int right);
/// Enter: the chosen head is shown large; there the row, then the cell is chosen.
void step_closer(const Frame& frame);

}  // namespace headroom
