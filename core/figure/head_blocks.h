#pragma once

#include <cstdint>
#include <vector>

#include "core/attention/mask.h"
#include "core/figure/head_window.h"

namespace headroom {

// A head's large picture is laid out of blocks on a grid that never moves: at level l a cell covers 2^l × 2^l pairs and a block
// kBlockCells × kBlockCells cells, counted from token 0. So a moved picture is made of the same blocks and only those that came into view
// have to be evaluated.

inline constexpr std::int64_t kBlockCells = 128;

/// A block's extent along one axis: `cells` cells over tokens [begin, end). Cells are 2^l tokens each, but a last cell that holds what is
/// left of the text, which is a block of its own.
struct AxisBlock {
  std::int64_t begin = 0, end = 0, cells = 0;
  bool operator==(const AxisBlock&) const = default;
};

/// The finest level whose cells are at least a pixel: 0 while each pair has one; 0 too for up to kBlockCells tokens, however small.
int block_level(std::int64_t tokens, double pixels);

/// The blocks that hold tokens [begin, end) of a text of n, in order.
std::vector<AxisBlock> axis_blocks(std::int64_t begin, std::int64_t end, std::int64_t n, int level);

/// Where a window is drawn, and how its tiles look.
struct BlockPicture {
  Rect rect;
  TokenWindow window;
  AttentionTile like;  ///< layer, head, quantity, pooling and colours of all tiles
  HeadSize size = 0;
  const Mask& mask;
};

/// The tiles of a picture, rows of blocks from the top. Edges of neighbours are the same numbers; those at the picture's edges hang over
/// them, so it has to be clipped. Blocks that the mask hides whole are left away: the picture's ground is the colour of masked cells.
std::vector<AttentionTile> block_tiles(const BlockPicture& picture);

}  // namespace headroom
