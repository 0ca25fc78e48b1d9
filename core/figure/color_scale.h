#pragma once

#include "core/figure/figure.h"

namespace headroom {

/// The log scale's lower end is this share of its upper end; what is below it has the map's first colour.
inline constexpr double kLogFloor = 1e-4;

/// Smallest and largest visible value that a scale spans. Empty (nothing visible): min > max.
struct ValueRange {
  double min = 1, max = 0;
  bool is_empty() const { return min > max; }
  void add(double value);
  bool operator==(const ValueRange&) const = default;
};

/// Whether a cell's column is drawn as masked because the first token is left out.
inline bool is_left_out(const AttentionTile& item, std::int64_t col) {
  return item.first_token == FirstToken::kLeftOut && item.request.col_begin == 0 && col == 0;
}

/// Where a value lies on the colour map, in [0, 1]: the one rule for tiles, legends and printed cells.
///
///   linear    (value - value_min) / (value_max - value_min)
///   log       1 + log(value / value_max) / log(1 / kLogFloor); scores are logarithms already and stay linear
///   per row   probabilities: value / the row's largest; scores: from the row's smallest to its largest
///
/// Edge  A range of one value is the map's lower end for it; `row` is read by the per-row scale only.
double color_share(const AttentionTile& item, double value, const ValueRange& row);

/// Range of a row by what it spans over all keys, without the first when that is left out.
ValueRange extent_range(const AttentionTile& item, const RowExtent& extent);

/// Range of one row of a tile: cells that are neither masked nor left out.
ValueRange row_range(const AttentionTile& item, const Tile& tile, std::int64_t row);

}  // namespace headroom
