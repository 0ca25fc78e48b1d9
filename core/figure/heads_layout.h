#pragma once

#include <string>
#include <vector>

#include "core/figure/figure.h"
#include "core/figure/heads_order.h"

namespace headroom {

/// Where each head's tile lies in the overview.
struct HeadPlace {
  HeadRef head;
  Rect tile;  ///< a square
};

struct HeadsLayout {
  std::vector<HeadPlace> places;
  double side = 0;          ///< of a tile
  double gap = 0;           ///< between tiles, beside the badge
  bool has_badges = false;  ///< a line of text under each tile
  bool has_names = false;   ///< "L3 H7" above each tile: ranked lists
  Size content;             ///< what the places span, from (0, 0)
  struct Heading {
    double y = 0;  ///< the middle of its line
    std::string title;
  };
  std::vector<Heading> headings;
};

inline constexpr double kBadgeHeight = 20, kNameHeight = 16, kSmallestBadgedTile = 52, kGroupHeadingHeight = 24;

struct GridShape {
  std::int64_t n_layers = 0, n_heads = 0;
  std::int64_t fold = 1;  ///< lines that one layer takes; divides n_heads
};
/// The grid of layers (rows) and heads (columns), as large as it fits into `room`; coordinates start at (0, 0). Places in the model's order.
HeadsLayout lay_out_grid(const GridShape& shape, Size room);
/// The heads in the given order, line after line, as large as they fit into `room`.
HeadsLayout lay_out_flow(const std::vector<HeadRef>& order, Size room);
/// The same in groups, one below another, with room for a heading above each (HeadsLayout::headings).
HeadsLayout lay_out_groups(const std::vector<HeadsGroup>& groups, Size room);

}  // namespace headroom
