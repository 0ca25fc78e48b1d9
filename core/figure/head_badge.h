#pragma once

#include <string>

#include "core/figure/canvas.h"
#include "core/figure/heads_layout.h"

namespace headroom {

// What stands around one head of the overview: the pattern that names it and a number, a line for its entropy, a tooltip.

void draw_badge(Canvas& canvas, const HeadPlace& place, const HeadMetrics& metrics);
/// A line under the tile: empty for a head whose rows each look at one key, full for one that looks at all alike.
void draw_entropy_line(Canvas& canvas, const HeadPlace& place, const HeadMetrics& metrics);
std::string head_tooltip(const Snapshot& snapshot, const HeadRef& head, const HeadMetrics& metrics);

}  // namespace headroom
