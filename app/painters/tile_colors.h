#pragma once

#include <cstdint>
#include <span>

#include "core/figure/figure.h"

namespace headroom {

/// Colours of a tile's cells, the one rule for every painter: scale (linear, log, per row), first token left out, masked grey.
/// Shapes  values as Tile::values; rgba [rows * cols * 4].
void color_tile(const AttentionTile& item, const Tile& tile, const Theme& theme, std::span<std::uint8_t> rgba);

}  // namespace headroom
