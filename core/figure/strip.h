#pragma once

#include <span>
#include <string>

#include "core/figure/canvas.h"

namespace headroom {

/// A vector as a strip of coloured cells, diverging around zero.
struct Strip {
  Rect rect;
  std::span<const float> values;
  double largest = 1;            ///< what the ends of the colours mean
  std::size_t most_cells = 256;  ///< a frame draws no more than a few thousand rectangles
  std::string name;              ///< of the hit region and the tooltip's title
  enum class Direction { kAcross, kDown } direction = Direction::kAcross;
};

/// One cell a value while a cell is at least 2 px; beyond, each cell shows the value of largest size that it covers.
void draw_strip(Canvas& canvas, const Strip& strip);

double largest_size(std::span<const float> values);

}  // namespace headroom
