#include "core/figure/head_blocks.h"

#include <algorithm>
#include <cmath>

namespace headroom {
namespace {

/// Where tokens lie along one axis of a picture.
struct TokenScale {
  std::int64_t begin = 0, end = 0;
  double start = 0, length = 0;

  /// On sixty-fourths of a pixel, so that begin + (end - begin) is end to the last bit: neighbours meet without a gap.
  double edge(std::int64_t token) const {
    const double at = start + static_cast<double>(token - begin) * length / static_cast<double>(end - begin);
    return std::round(at * 64) / 64;
  }
};

}  // namespace

int block_level(std::int64_t tokens, double pixels) {
  int level = 0;
  while (tokens > kBlockCells && static_cast<double>(tokens) / static_cast<double>(std::int64_t{1} << level) > pixels && level < 40)
    ++level;
  return level;
}

std::vector<AxisBlock> axis_blocks(std::int64_t begin, std::int64_t end, std::int64_t n, int level) {
  const std::int64_t cell = std::int64_t{1} << level, step = kBlockCells * cell;
  std::vector<AxisBlock> blocks;
  for (std::int64_t first = begin / step * step; first < end; first += step) {
    const std::int64_t last = std::min(n, first + step), whole = first + (last - first) / cell * cell;
    if (whole > first && whole > begin) blocks.push_back({first, whole, (whole - first) / cell});
    if (last > whole && last > begin && whole < end) blocks.push_back({whole, last, 1});
  }
  return blocks;
}

std::vector<AttentionTile> block_tiles(const BlockPicture& picture) {
  const TokenWindow& w = picture.window;
  const int row_level = block_level(w.rows(), picture.rect.h), col_level = block_level(w.cols(), picture.rect.w);
  const TokenScale down{w.row_begin, w.row_end, picture.rect.y, picture.rect.h};
  const TokenScale across{w.col_begin, w.col_end, picture.rect.x, picture.rect.w};
  const std::vector<AxisBlock> cols = axis_blocks(w.col_begin, w.col_end, picture.size.keys, col_level);
  std::vector<AttentionTile> tiles;
  for (const AxisBlock& row : axis_blocks(w.row_begin, w.row_end, picture.size.queries, row_level)) {
    for (const AxisBlock& col : cols) {
      if (tile_visibility(picture.mask, 0, {row.begin, row.end}, {col.begin, col.end}) == TileVisibility::kNone) continue;
      AttentionTile tile = picture.like;
      const double left = across.edge(col.begin), top = down.edge(row.begin);
      tile.rect = {left, top, across.edge(col.end) - left, down.edge(row.end) - top};
      TileRequest& r = tile.request;
      r.row_begin = row.begin;
      r.row_end = row.end;
      r.rows = row.cells;
      r.col_begin = col.begin;
      r.col_end = col.end;
      r.cols = col.cells;
      r.row_samples = 0;
      // Without pooling both kinds are the same picture: one name for it, so that it is evaluated once.
      if (r.rows == row.end - row.begin && r.cols == col.end - col.begin) r.pooling = Pooling::kMax;
      tiles.push_back(tile);
    }
  }
  return tiles;
}

}  // namespace headroom
