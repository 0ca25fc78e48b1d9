#pragma once

#include <cstddef>
#include <vector>

#include "core/figure/figure.h"

namespace headroom {

/// A step of drawing: one item, or attention tiles that can share a draw command.
struct DrawStep {
  std::vector<std::size_t> items;  ///< indices into the figure's items, ascending; several only for tiles
};
/// The figure's items in an order that looks the same and switches textures least: a tile joins the tiles before it unless something drawn
/// in between reaches into it. Clips keep their places.
std::vector<DrawStep> drawing_order(const Figure& figure);

}  // namespace headroom
