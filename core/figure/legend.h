#pragma once

#include <string>
#include <vector>

#include "core/figure/canvas.h"

namespace headroom {

/// What a heatmap's colours mean.
struct Legend {
  ColorMapName colormap = ColorMapName::kViridis;
  Coloring coloring = Coloring::kSequential;
  std::string low, high;  ///< numbers (or words) at the ends of the ramp
  std::string unit;       ///< "probability", "score, nats", with the scale's name when it is not linear
  bool has_masked = true;
  bool has_pruned = false;
  bool has_not_numbers = false;        ///< a capture's cells that are NaN
  std::vector<std::string> sentences;  ///< most important first
};

/// Scale and numbers of the legend for tiles drawn like `item`.
Legend legend_of(const AttentionTile& item);

/// Lays the legend out in lines from area.x, area.y; sentences that would need more than max_height are left away.
/// Returns the height that it takes; draws only with kDraw.
enum class LegendPass { kMeasure, kDraw };
double lay_out_legend(Canvas& canvas, const Legend& legend, const Rect& area, LegendPass pass);

}  // namespace headroom
