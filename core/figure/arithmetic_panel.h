#pragma once

#include "core/figure/arithmetic.h"
#include "core/figure/canvas.h"

namespace headroom {

/// A cell of one head.
struct CellRef {
  HeadRef head;
  std::int64_t query = 0, key = 0;
};

/// The least room in which the panel says everything that must be said, and the height of it all.
inline constexpr double kArithmeticWidth = 220, kArithmeticHeight = 156;

/// q·k by dimension as bars, then each step from their sum to the probability, then the value that it weighs. Parts that do not fit
/// into area.h are left away, the arithmetic last. Returns the height used.
double draw_arithmetic(Canvas& canvas, const Rect& area, const CellRef& cell);

}  // namespace headroom
