#include "core/figure/color_scale.h"

#include <algorithm>
#include <cmath>

namespace headroom {

void ValueRange::add(double value) {
  if (std::isnan(value)) return;
  const bool was_empty = is_empty();
  min = was_empty ? value : std::min(min, value);
  max = was_empty ? value : std::max(max, value);
}

double color_share(const AttentionTile& item, double value, const ValueRange& row) {
  const bool is_scores = item.request.quantity == Quantity::kScores;
  double low = item.value_min, high = item.value_max;
  if (item.scale == ColorScale::kPerRow) {
    low = is_scores ? row.min : 0;
    high = row.max;
  } else if (item.scale == ColorScale::kLog && !is_scores) {
    if (!(value > 0) || !(high > 0)) return 0;
    return std::clamp(1 + std::log(value / high) / std::log(1 / kLogFloor), 0.0, 1.0);
  }
  if (!(high > low)) return 0;
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}

Color ramp_color(const ColorRamp& ramp, const Theme& theme, double share) {
  return ramp.coloring == Coloring::kDiverging ? diverging_color(theme, 2 * share - 1) : colormap_color(ramp.colormap, share);
}

ValueRange extent_range(const AttentionTile& item, const RowExtent& extent) {
  ValueRange range;
  const bool is_later = item.first_token == FirstToken::kLeftOut;
  range.add(is_later ? extent.smallest_later : extent.smallest);
  range.add(is_later ? extent.largest_later : extent.largest);
  return range;
}

ValueRange row_range(const AttentionTile& item, const Tile& tile, std::int64_t row) {
  ValueRange range;
  for (std::int64_t c = 0; c < item.request.cols; ++c) {
    if (!is_left_out(item, c)) range.add(tile.values[static_cast<std::size_t>(row * item.request.cols + c)]);
  }
  return range;
}

}  // namespace headroom
