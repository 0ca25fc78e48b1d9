#include "app/painters/tile_colors.h"

#include <cmath>

#include "core/figure/color_scale.h"
#include "core/tensor/error.h"

namespace headroom {

bool needs_row_extents(const AttentionTile& item, std::int64_t n_keys) {
  return item.scale == ColorScale::kPerRow && item.request.col_end - item.request.col_begin < n_keys;
}

void color_tile(const AttentionTile& item, const TileCells& cells, const Theme& theme, std::span<std::uint8_t> rgba) {
  const Tile& tile = cells.tile;
  const std::int64_t rows = tile.request.rows, cols = tile.request.cols;
  const auto n_cells = static_cast<std::size_t>(rows * cols);
  if (rgba.size() < 4 * n_cells) throw ShapeError("a tile's picture needs 4 bytes for each of its cells");
  const Color masked = masked_color(theme, item.colormap);
  AttentionTile shown = item;  // The tile may have been evaluated at another resolution than the item asks for.
  shown.request = tile.request;
  const bool has_values = tile.values.size() >= n_cells;  // a pruned head has none
  for (std::int64_t r = 0; r < rows; ++r) {
    ValueRange row;
    if (has_values && item.scale == ColorScale::kPerRow) {
      row = cells.row_extents.size() == static_cast<std::size_t>(rows)
                ? extent_range(item, cells.row_extents[static_cast<std::size_t>(r)])
                : row_range(shown, tile, r);
    }
    for (std::int64_t c = 0; c < cols; ++c) {
      const auto at = static_cast<std::size_t>(r * cols + c);
      const float value = has_values && !is_left_out(shown, c) ? tile.values[at] : NAN;
      const bool is_not_a_number = at < tile.not_numbers.size() && tile.not_numbers[at] != 0;
      const Color color = is_not_a_number     ? not_a_number_color(theme)
                          : std::isnan(value) ? masked
                          : item.coloring == Coloring::kDiverging
                              ? diverging_color(theme, item.value_max > 0 ? value / item.value_max : 0)
                              : colormap_color(item.colormap, color_share(shown, value, row));
      rgba[4 * at] = color.r;
      rgba[4 * at + 1] = color.g;
      rgba[4 * at + 2] = color.b;
      rgba[4 * at + 3] = color.a;
    }
  }
}

}  // namespace headroom
