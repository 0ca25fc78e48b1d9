#include "core/figure/head_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

namespace headroom {
namespace {

AttentionTile like_of(Pooling pooling) {
  AttentionTile like;
  like.request.layer = 1;
  like.request.head = 2;
  like.request.pooling = pooling;
  return like;
}

Mask open_mask() {
  Mask mask;
  mask.direction = Direction::kBidirectional;
  return mask;
}

TEST(BlockLevel, IsTheFinestWhoseCellsAreAtLeastAPixel) {
  EXPECT_EQ(block_level(100, 20), 0) << "few tokens keep a cell each";
  EXPECT_EQ(block_level(700, 700), 0);
  EXPECT_EQ(block_level(701, 700), 1);
  EXPECT_EQ(block_level(131072, 700), 8);
  for (const std::int64_t tokens : {129, 1000, 4097, 100000, 131072}) {
    for (const double pixels : {130.0, 333.0, 1024.0}) {
      const double cells = static_cast<double>(tokens) / std::pow(2, block_level(tokens, pixels));
      EXPECT_LE(cells, pixels);
      if (static_cast<double>(tokens) > pixels) {
        EXPECT_GT(cells, pixels / 2) << "at least half a cell a pixel";
      }
    }
  }
}

TEST(AxisBlocks, LieOnAGridThatNeverMoves) {
  EXPECT_EQ(axis_blocks(0, 100, 100, 0), (std::vector<AxisBlock>{{0, 100, 100}}));
  EXPECT_EQ(axis_blocks(130, 300, 1000, 0), (std::vector<AxisBlock>{{128, 256, 128}, {256, 384, 128}}));
  EXPECT_EQ(axis_blocks(0, 1030, 1030, 2),
            (std::vector<AxisBlock>{{0, 512, 128}, {512, 1024, 128}, {1024, 1028, 1}, {1028, 1030, 1}}))
      << "what is left of the text is a cell of its own";
  EXPECT_EQ(axis_blocks(1029, 1030, 1030, 2), (std::vector<AxisBlock>{{1028, 1030, 1}}));
}

TEST(AxisBlocks, CellsAreTheSameFromEveryWindow) {
  std::mt19937_64 random(5);
  for (const std::int64_t n : {129, 1000, 5000, 100003}) {
    for (int level = 0; level < 9; ++level) {
      std::map<std::int64_t, std::int64_t> ends;  // of cells, by where they begin
      for (int i = 0; i < 200; ++i) {
        const auto begin = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
        const auto end = begin + 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n - begin));
        std::int64_t expected = -1;
        const std::vector<AxisBlock> blocks = axis_blocks(begin, end, n, level);
        ASSERT_FALSE(blocks.empty());
        ASSERT_LE(blocks.front().begin, begin);
        ASSERT_GE(blocks.back().end, end);
        ASSERT_LE(std::ssize(blocks), (end - begin) / (kBlockCells << level) + 4) << "no more than are seen";
        for (const AxisBlock& block : blocks) {
          ASSERT_TRUE(expected < 0 || block.begin == expected) << "no gap and no overlap";
          expected = block.end;
          ASSERT_LE(block.cells, kBlockCells);
          const std::int64_t cell = (block.end - block.begin) / block.cells;
          ASSERT_EQ(cell * block.cells, block.end - block.begin) << "cells of one size";
          for (std::int64_t c = 0; c < block.cells; ++c) {
            const auto [known, is_new] = ends.try_emplace(block.begin + c * cell, block.begin + (c + 1) * cell);
            ASSERT_EQ(known->second, block.begin + (c + 1) * cell) << "from another window this cell was another";
          }
        }
      }
    }
  }
}

TEST(BlockTiles, CoverThePictureWithoutGapOrOverlap) {
  std::mt19937_64 random(9);
  const Mask mask = open_mask();
  for (int i = 0; i < 300; ++i) {
    const auto n = static_cast<std::int64_t>(200 + random() % 100000);
    const auto rows = static_cast<std::int64_t>(8 + random() % static_cast<std::uint64_t>(n - 7));
    const auto cols = static_cast<std::int64_t>(8 + random() % static_cast<std::uint64_t>(n - 7));
    TokenWindow window;
    window.row_begin = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n - rows + 1));
    window.row_end = window.row_begin + rows;
    window.col_begin = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n - cols + 1));
    window.col_end = window.col_begin + cols;
    const Rect rect{37, 51, 640, 433};
    const std::vector<AttentionTile> tiles =
        block_tiles({.rect = rect, .window = window, .like = like_of(Pooling::kMean), .size = n, .mask = mask});
    std::map<double, double> widths, heights;  // by left and top edges
    for (const AttentionTile& tile : tiles) {
      const auto [w, is_new_column] = widths.try_emplace(tile.rect.x, tile.rect.w);
      const auto [h, is_new_row] = heights.try_emplace(tile.rect.y, tile.rect.h);
      ASSERT_EQ(w->second, tile.rect.w);
      ASSERT_EQ(h->second, tile.rect.h);
      ASSERT_LE(tile.request.rows, tile.request.row_end - tile.request.row_begin);
    }
    ASSERT_EQ(tiles.size(), widths.size() * heights.size());
    const auto check = [](const std::map<double, double>& lengths, double start, double length) {
      double at = lengths.begin()->first;
      ASSERT_LE(at, start + 1.0 / 64);
      for (const auto& [edge, extent] : lengths) {
        ASSERT_EQ(edge, at) << "edges of neighbours are the same number";
        at = edge + extent;
      }
      ASSERT_GE(at, start + length - 1.0 / 64);
    };
    check(widths, rect.x, rect.w);
    check(heights, rect.y, rect.h);
  }
}

TEST(BlockTiles, LeaveAwayWhatTheMaskHidesWhole) {
  Mask causal;
  const auto tiles = block_tiles(
      {.rect = {0, 0, 512, 512}, .window = {0, 512, 0, 512}, .like = like_of(Pooling::kMax), .size = 512, .mask = causal});
  EXPECT_EQ(tiles.size(), 10U) << "4 × 4 blocks without the 6 above the diagonal";
  for (const AttentionTile& tile : tiles)
    EXPECT_LE(tile.request.col_begin, tile.request.row_begin);
  Mask local = causal;
  local.pattern.kind = PatternKind::kLocalWindow;
  local.pattern.window = 16;
  EXPECT_EQ(
      block_tiles(
          {.rect = {0, 0, 512, 512}, .window = {0, 512, 0, 512}, .like = like_of(Pooling::kMax), .size = 512, .mask = local})
          .size(),
      7U)
      << "the diagonal and what is just below it";
}

TEST(BlockTiles, AMoveByLessThanABlockAsksForTheSameTiles) {
  const Mask mask = open_mask();
  const auto requests = [&](std::int64_t first) {
    std::vector<TileRequest> all;
    for (const AttentionTile& tile : block_tiles({.rect = {0, 0, 600, 600},
                                     .window = {first, first + 3000, first, first + 3000},
                                     .like = like_of(Pooling::kMean),
                                     .size = 100000,
                                     .mask = mask})) {
      EXPECT_EQ(tile.request.pooling, Pooling::kMean);
      all.push_back(tile.request);
    }
    return all;
  };
  EXPECT_EQ(requests(20500), requests(20540));
  EXPECT_NE(requests(20500), requests(22000));
}

}  // namespace
}  // namespace headroom
