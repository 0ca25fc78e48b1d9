#include "app/painters/tile_colors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

AttentionTile item_of(ColorScale scale) {
  AttentionTile item;
  item.scale = scale;
  item.colormap = ColorMapName::kMagma;
  item.request = {.layer = 0,
                  .head = 0,
                  .row_begin = 0,
                  .row_end = 2,
                  .col_begin = 0,
                  .col_end = 3,
                  .rows = 2,
                  .cols = 3,
                  .quantity = Quantity::kProbs,
                  .pooling = Pooling::kMax};
  return item;
}

std::vector<Color> colors(const AttentionTile& item, const std::vector<float>& values, bool is_pruned = false) {
  std::vector<std::uint8_t> rgba(6 * 4, 1);
  const Tile tile{.request = item.request, .values = values, .is_pruned = is_pruned};
  color_tile(item, {.tile = tile}, theme(ThemeName::kDark), rgba);
  std::vector<Color> answer;
  for (std::size_t i = 0; i < rgba.size(); i += 4)
    answer.push_back({rgba[i], rgba[i + 1], rgba[i + 2], rgba[i + 3]});
  return answer;
}

Color magma(double share) { return colormap_color(ColorMapName::kMagma, share); }
const Color kMasked = masked_color(theme(ThemeName::kDark), ColorMapName::kMagma);

TEST(ColorTile, Linear) {
  EXPECT_EQ(colors(item_of(ColorScale::kLinear), {0.0f, 0.25f, kNaN, 1.0f, 2.0f, -1.0f}),
            (std::vector<Color>{magma(0), magma(0.25), kMasked, magma(1), magma(1), magma(0)}));
}

TEST(ColorTile, Log) {
  EXPECT_EQ(colors(item_of(ColorScale::kLog), {0.0f, 1e-4f, 0.03f, 1.0f, kNaN, 0.1f}),
            (std::vector<Color>{magma(0), magma(0), magma(1 + std::log10(0.03) / 4), magma(1), kMasked, magma(0.75)}));
}

TEST(ColorTile, PerRow) {
  EXPECT_EQ(colors(item_of(ColorScale::kPerRow), {0.1f, 0.2f, kNaN, 0.5f, 0.0f, 0.25f}),
            (std::vector<Color>{magma(0.5), magma(1), kMasked, magma(1), magma(0), magma(0.5)}));
}

TEST(ColorTile, LeavesOutTheFirstToken) {
  AttentionTile item = item_of(ColorScale::kPerRow);
  item.first_token = FirstToken::kLeftOut;
  EXPECT_EQ(colors(item, {0.9f, 0.05f, 0.1f, 1.0f, kNaN, kNaN}),
            (std::vector<Color>{kMasked, magma(0.5), magma(1), kMasked, kMasked, kMasked}));
  item.request.col_begin = 4;
  item.request.col_end = 7;
  EXPECT_EQ(colors(item, {0.2f, 0.1f, 0.0f, 0.4f, 0.4f, 0.4f})[0], magma(1)) << "the tile does not hold the first token";
}

TEST(ColorTile, DifferencesDivergeAroundZero) {
  AttentionTile item = item_of(ColorScale::kLinear);
  item.coloring = Coloring::kDiverging;
  item.value_max = 0.5;
  const auto difference = [](double share) { return diverging_color(theme(ThemeName::kDark), share); };
  EXPECT_EQ(colors(item, {0.0f, 0.25f, kNaN, -0.5f, 0.9f, -0.125f}),
            (std::vector<Color>{difference(0), difference(0.5), kMasked, difference(-1), difference(1), difference(-0.25)}));
  item.value_max = 0;
  EXPECT_EQ(colors(item, std::vector<float>(6, 0.0f)), std::vector<Color>(6, difference(0))) << "two equal times";
}

TEST(ColorTile, APrunedHeadHasNoValues) {
  EXPECT_EQ(colors(item_of(ColorScale::kLinear), {}, true), std::vector<Color>(6, kMasked));
}

TEST(ColorTile, RefusesTooSmallAPicture) {
  const AttentionTile item = item_of(ColorScale::kLinear);
  std::vector<std::uint8_t> rgba(23);
  const Tile tile{.request = item.request, .values = std::vector<float>(6), .is_pruned = false};
  EXPECT_THROW(color_tile(item, {.tile = tile}, theme(ThemeName::kDark), rgba), ShapeError);
}

}  // namespace
}  // namespace headroom
