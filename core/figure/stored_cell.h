#pragma once

#include "core/figure/arithmetic_panel.h"

namespace headroom {

/// Whether a layer's attention was computed elsewhere, so that there is no arithmetic to show.
bool is_stored(const Snapshot& snapshot, std::int64_t layer);

/// What a file says of one cell: its probability, its score where it has one, and what its row sums to. Returns the height that was used.
double draw_stored_cell(Canvas& canvas, const Rect& area, const CellRef& cell);

}  // namespace headroom
