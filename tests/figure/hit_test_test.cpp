#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/figure/tile_items.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;

Figure two_regions() {
  Figure figure;
  figure.size = {100, 100};
  figure.hits.push_back(
      {.shape = {0, 0, 60, 60}, .tooltip = {}, .click = {}, .double_click = {}, .ctrl_click = {}, .name = "below"});
  figure.hits.push_back(
      {.shape = {40, 40, 60, 60}, .tooltip = {}, .click = {}, .double_click = {}, .ctrl_click = {}, .name = "above"});
  CellGrid grid;
  grid.rect = {10, 20, 40, 20};
  grid.request.row_begin = 3;
  grid.request.row_end = 5;
  grid.request.col_begin = 8;
  grid.request.col_end = 12;
  figure.cell_grids.push_back(grid);
  return figure;
}

TEST(HitTest, LaterRegionsLieOnTop) {
  const Figure figure = two_regions();
  EXPECT_EQ(hit_test(figure, {5, 5}).region->name, "below");
  EXPECT_EQ(hit_test(figure, {50, 50}).region->name, "above");
  EXPECT_EQ(hit_test(figure, {5, 90}).region, nullptr);
  EXPECT_EQ(hit_test(figure, {-1, 5}).region, nullptr);
  EXPECT_EQ(hit_test(figure, {99.9, 100}).region, nullptr);
}

TEST(HitTest, FindsTheCellUnderThePointer) {
  const Figure figure = two_regions();
  const Hover corner = hit_test(figure, {10, 20});
  EXPECT_EQ(corner.query, 3);
  EXPECT_EQ(corner.key, 8);
  const Hover last = hit_test(figure, {49.9, 39.9});
  EXPECT_EQ(last.query, 4);
  EXPECT_EQ(last.key, 11);
  EXPECT_EQ(hit_test(figure, {50, 39}).grid, nullptr);
  EXPECT_EQ(hit_test(figure, {50, 39}).query, -1);
}

TEST(CellTooltip, SaysScoreAndProbability) {
  const Scene scene = make_scene({});
  TileRequest request;
  request.layer = 1;
  request.head = 2;
  const Cell cell = evaluate_cell(*scene.snapshot->trace, 1, 2, 4, 3);
  const std::string text = cell_tooltip(*scene.snapshot, request, 4, 3);
  EXPECT_THAT(text, HasSubstr("L1 H2"));
  EXPECT_THAT(text, HasSubstr("query 4 t4"));
  EXPECT_THAT(text, HasSubstr("key 3 t3"));
  char score[32];
  std::snprintf(score, sizeof score, "%.3f nats", std::abs(cell.score));
  EXPECT_THAT(text, HasSubstr(score));
  EXPECT_THAT(cell_tooltip(*scene.snapshot, request, 3, 4), HasSubstr("masked"));
  EXPECT_THAT(cell_tooltip(*scene.snapshot, request, 99, 4), HasSubstr("query 99 ?")) << "an older, longer sentence";
}

TEST(CellTooltip, SaysThatAHeadIsPruned) {
  const Scene scene = make_scene({.pruned = {{1, 2}}});
  TileRequest request;
  request.layer = 1;
  request.head = 2;
  EXPECT_THAT(cell_tooltip(*scene.snapshot, request, 4, 3), HasSubstr("pruned"));
}

TEST(Trimmed, KeepsWholeCellsInsideTheViewport) {
  CellGrid grid;
  grid.rect = {-15, 0, 100, 100};  // cells of 10
  grid.request.row_end = grid.request.col_end = grid.request.rows = grid.request.cols = 10;
  const CellGrid cut = trimmed(grid, {0, 0, 50, 200});
  EXPECT_EQ(cut.rect, (Rect{5, 0, 40, 100}));
  EXPECT_EQ(cut.request.col_begin, 2);
  EXPECT_EQ(cut.request.col_end, 6);
  EXPECT_EQ(cut.request.row_begin, 0);
  EXPECT_EQ(cut.request.row_end, 10);
  EXPECT_EQ(trimmed(grid, {200, 0, 50, 50}).rect.w, 0);
}

TEST(SetValueRange, SamplesLongSentences) {
  const Scene scene = make_scene({.n_heads = 1, .n_kv_heads = 1, .n_tokens = 700});
  AttentionTile tile;
  tile.request = {.layer = 0,
                  .head = 0,
                  .row_begin = 0,
                  .row_end = 700,
                  .col_begin = 0,
                  .col_end = 700,
                  .rows = 128,
                  .cols = 128,
                  .quantity = Quantity::kScores,
                  .pooling = Pooling::kMax};
  EXPECT_EQ(set_value_range(tile, *scene.snapshot), Sampling::kSampled);
  EXPECT_LT(tile.value_min, tile.value_max);
}

}  // namespace
}  // namespace headroom
