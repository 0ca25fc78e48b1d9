#include "core/figure/color_scale.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace headroom {
namespace {

AttentionTile item_with(ColorScale scale, Quantity quantity) {
  AttentionTile item;
  item.scale = scale;
  item.request = {.layer = 0,
                  .head = 0,
                  .row_begin = 0,
                  .row_end = 2,
                  .col_begin = 0,
                  .col_end = 3,
                  .rows = 2,
                  .cols = 3,
                  .quantity = quantity,
                  .pooling = Pooling::kMax};
  return item;
}

TEST(ColorShare, LinearSpansTheRange) {
  AttentionTile item = item_with(ColorScale::kLinear, Quantity::kProbs);
  EXPECT_EQ(color_share(item, 0.25, {}), 0.25);
  item.value_max = 0.5;
  EXPECT_EQ(color_share(item, 0.25, {}), 0.5);
  EXPECT_EQ(color_share(item, 0.9, {}), 1);
  AttentionTile scores = item_with(ColorScale::kLinear, Quantity::kScores);
  scores.value_min = -4;
  scores.value_max = 4;
  EXPECT_EQ(color_share(scores, -2, {}), 0.25);
}

TEST(ColorShare, LogCountsDecadesBelowTheLargest) {
  AttentionTile item = item_with(ColorScale::kLog, Quantity::kProbs);
  EXPECT_NEAR(color_share(item, 1, {}), 1, 1e-12);
  EXPECT_NEAR(color_share(item, 1e-2, {}), 0.5, 1e-12);
  EXPECT_NEAR(color_share(item, 1e-4, {}), 0, 1e-12);
  EXPECT_EQ(color_share(item, 1e-9, {}), 0);
  EXPECT_EQ(color_share(item, 0, {}), 0);
  item.value_max = 0.1;
  EXPECT_NEAR(color_share(item, 1e-3, {}), 0.5, 1e-12);
}

TEST(ColorShare, ScoresStayLinearOnTheLogScale) {
  AttentionTile item = item_with(ColorScale::kLog, Quantity::kScores);
  item.value_min = -1;
  item.value_max = 1;
  EXPECT_EQ(color_share(item, 0, {}), 0.5);
}

TEST(ColorShare, PerRowReadsTheRowsOwnRange) {
  EXPECT_EQ(color_share(item_with(ColorScale::kPerRow, Quantity::kProbs), 0.1, {0.05, 0.2}), 0.5);
  EXPECT_EQ(color_share(item_with(ColorScale::kPerRow, Quantity::kScores), 3, {2, 6}), 0.25);
}

TEST(ColorShare, ARangeOfOneValueIsTheLowerEnd) {
  AttentionTile item = item_with(ColorScale::kLinear, Quantity::kScores);
  item.value_min = item.value_max = 2;
  EXPECT_EQ(color_share(item, 2, {}), 0);
  EXPECT_EQ(color_share(item_with(ColorScale::kPerRow, Quantity::kProbs), 0, {0, 0}), 0);
}

TEST(RowRange, SkipsMaskedAndLeftOutCells) {
  AttentionTile item = item_with(ColorScale::kPerRow, Quantity::kProbs);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tile tile{.request = item.request, .values = {0.9f, 0.1f, nan, nan, nan, nan}, .is_pruned = false};
  EXPECT_EQ(row_range(item, tile, 0), (ValueRange{0.1f, 0.9f}));
  EXPECT_TRUE(row_range(item, tile, 1).is_empty());
  item.first_token = FirstToken::kLeftOut;
  EXPECT_EQ(row_range(item, tile, 0), (ValueRange{0.1f, 0.1f}));
  item.request.col_begin = 1;  // a window that does not begin at the first token leaves nothing out
  EXPECT_EQ(row_range(item, tile, 0), (ValueRange{0.1f, 0.9f}));
}

}  // namespace
}  // namespace headroom
