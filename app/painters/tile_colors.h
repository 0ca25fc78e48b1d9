#pragma once

#include <cstdint>
#include <span>

#include "core/figure/figure.h"

namespace headroom {

/// A tile's values, and for the scale by row what each cell row spans over all keys: [tile.request.rows], or empty: then a row's own cells
/// are its range.
struct TileCells {
  const Tile& tile;
  std::span<const RowExtent> row_extents = {};
};

/// Whether a tile's rows reach beyond it, so that a scale by row has to know more than the tile itself.
bool needs_row_extents(const AttentionTile& item, std::int64_t n_keys);

/// Colours of a tile's cells, RGBA, one texel a cell: shared by both painters. Shapes  rgba [rows * cols * 4].
void color_tile(const AttentionTile& item, const TileCells& cells, const Theme& theme, std::span<std::uint8_t> rgba);

}  // namespace headroom
