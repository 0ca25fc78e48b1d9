// A head's picture made of blocks is the picture evaluated whole.

#include <gtest/gtest.h>

#include <cstdlib>

#include "app/painters/cairo_painter.h"
#include "core/figure/head_blocks.h"
#include "core/figure/tile_items.h"
#include "tests/app/picture.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

constexpr std::int64_t kTokens = 1024;
constexpr Rect kPlace{10, 20, 512, 512};

struct Look {
  Quantity quantity = Quantity::kProbs;
  Pooling pooling = Pooling::kMax;
  ColorScale scale = ColorScale::kLinear;
  FirstToken first_token = FirstToken::kShown;
};

const Scene& scene() {
  static const Scene made =
      make_scene({.n_layers = 1, .n_heads = 2, .n_kv_heads = 2, .d_head = 8, .n_tokens = static_cast<std::size_t>(kTokens)});
  return made;
}

Image pixels_of(const Figure& figure) { return image_of(render_figure(figure, theme(ThemeName::kDark), FigureFormat::kPng, 1)); }

AttentionTile whole_tile(const Look& look, const TokenWindow& window, std::int64_t cells) {
  AttentionTile tile;
  tile.rect = kPlace;
  tile.scale = look.scale;
  tile.first_token = look.first_token;
  tile.request = {.layer = 0,
                  .head = 1,
                  .row_begin = window.row_begin,
                  .row_end = window.row_end,
                  .col_begin = window.col_begin,
                  .col_end = window.col_end,
                  .rows = cells,
                  .cols = cells,
                  .quantity = look.quantity,
                  .pooling = look.pooling};
  set_value_range(tile, *scene().snapshot);
  return tile;
}

Figure figure_of(const std::vector<AttentionTile>& tiles) {
  Figure figure;
  figure.size = {540, 550};
  figure.snapshot = scene().snapshot;
  figure.items.emplace_back(
      FilledRect{.rect = kPlace, .fill = masked_color(theme(ThemeName::kDark), ColorMapName::kViridis), .stroke = {}});
  figure.items.emplace_back(ClipTo{kPlace});
  for (const AttentionTile& tile : tiles)
    figure.items.emplace_back(tile);
  return figure;
}

/// Pixels that differ by more than a step of the colour map: sums of other lengths round otherwise in the last bit.
int n_different(const Image& a, const Image& b) {
  constexpr int kStep = 4;
  int n = 0;
  for (std::size_t i = 0; i + 3 < a.rgba.size(); i += 4) {
    bool is_near = true;
    for (std::size_t channel = i; channel < i + 3; ++channel)
      is_near = is_near && std::abs(int{a.rgba[channel]} - int{b.rgba[channel]}) <= kStep;
    n += is_near ? 0 : 1;
  }
  return n;
}

TEST(BlockPicture, EqualsThePictureEvaluatedWhole) {
  const Look looks[] = {{},
                        {.pooling = Pooling::kMean, .scale = ColorScale::kLog},
                        {.quantity = Quantity::kScores},
                        {.scale = ColorScale::kPerRow},
                        {.scale = ColorScale::kPerRow, .first_token = FirstToken::kLeftOut},
                        {.first_token = FirstToken::kLeftOut}};
  const TokenWindow all{0, kTokens, 0, kTokens};
  for (const Look& look : looks) {
    const AttentionTile whole = whole_tile(look, all, kTokens / 2);
    const auto blocks =
        block_tiles({.rect = kPlace, .window = all, .like = whole, .size = kTokens, .mask = scene().snapshot->trace->mask});
    ASSERT_EQ(blocks.size(), 10U);
    const Image one = pixels_of(figure_of({whole})), many = pixels_of(figure_of(blocks));
    ASSERT_EQ(one.rgba.size(), many.rgba.size());
    // By row without the first token: the whole picture leaves out a cell of two keys, blocks ask what the row spans without the first
    // alone. Only the first cell row, of two queries, can tell.
    const bool can_differ = look.scale == ColorScale::kPerRow && look.first_token == FirstToken::kLeftOut;
    EXPECT_LE(n_different(one, many), can_differ ? 4 : 0) << static_cast<int>(look.scale) << static_cast<int>(look.quantity);
  }
}

TEST(BlockPicture, AWindowInTheMiddleEqualsItsExactCells) {
  // 64 tokens at 8 pixels each, across the corner of four blocks.
  const TokenWindow window{.row_begin = 611, .row_end = 675, .col_begin = 225, .col_end = 289};
  const AttentionTile whole = whole_tile({}, window, 64);
  const auto blocks =
      block_tiles({.rect = kPlace, .window = window, .like = whole, .size = kTokens, .mask = scene().snapshot->trace->mask});
  ASSERT_EQ(blocks.size(), 4U);
  EXPECT_EQ(n_different(pixels_of(figure_of({whole})), pixels_of(figure_of(blocks))), 0);
}

TEST(BlockPicture, RowsKeepTheirColoursWhenThePictureMoves) {
  // By row: what a row spans is taken over all keys, so a cell's colour does not depend on what else is in view.
  const auto colour_at = [](std::int64_t first_key) {
    const TokenWindow window{.row_begin = 600, .row_end = 664, .col_begin = first_key, .col_end = first_key + 64};
    const AttentionTile like = whole_tile({.scale = ColorScale::kPerRow}, window, 64);
    const Image image = pixels_of(figure_of(
        block_tiles({.rect = kPlace, .window = window, .like = like, .size = kTokens, .mask = scene().snapshot->trace->mask})));
    const auto x = static_cast<int>(kPlace.x) + static_cast<int>(300 - first_key) * 8 + 4;
    const std::uint8_t* at = image.rgba.data() + 4 * ((static_cast<int>(kPlace.y) + 84) * image.width + x);
    return Color{at[0], at[1], at[2], at[3]};
  };
  EXPECT_EQ(colour_at(240), colour_at(297));
}

}  // namespace
}  // namespace headroom
