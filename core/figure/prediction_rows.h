#pragma once

#include <string>
#include <vector>

#include "core/figure/canvas.h"

namespace headroom {

/// The next token's probabilities after `position`, one bar a row, as many as fit into area. Returns the height used.
double draw_predictions(Canvas& canvas, const Rect& area, std::int64_t position);

/// The token that a figure is about: the chosen one, else the last.
std::int64_t chosen_token(const FigureInput& input);

/// What the vocabulary calls an id, as it is drawn.
std::string spelled(const Snapshot& snapshot, std::int32_t id);

}  // namespace headroom
