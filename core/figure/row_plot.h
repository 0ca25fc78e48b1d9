#pragma once

#include <span>

#include "core/figure/canvas.h"

namespace headroom {

/// One query's probabilities as bars over a range of keys: a bar a key, or where keys are narrower than a pixel and a half a bar a pixel,
/// as high as the largest that it covers.
struct RowPlot {
  Rect rect;
  HeadRef head;
  std::int64_t query = 0;
  std::int64_t begin = 0, end = 0;               ///< keys from left to right
  std::span<const float> probabilities;          ///< [seq], NaN where masked
  double largest = 1;                            ///< a bar as high as the plot
  ColorScale scale = ColorScale::kLinear;        ///< by row is linear: there is but one
  std::optional<std::int64_t> key, hovered_key;  ///< marked where they are in range
};

/// Draws the bars over their ground, masked keys in their grey; a click chooses the key under the pointer, of several the largest.
void draw_row_plot(Canvas& canvas, const RowPlot& plot);

/// Keys that one bar covers, 1 while each has its own.
std::int64_t keys_a_bar(const RowPlot& plot);

/// The row's largest probability and where it is; without the first token when that is left out. Key -1: the row sees nothing.
struct RowPeak {
  std::int64_t key = -1;
  double probability = 0;
};
RowPeak row_peak(std::span<const float> probabilities, FirstToken first_token);

}  // namespace headroom
