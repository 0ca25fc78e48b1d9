// The chosen head of a long text: its window, its minimap, its row.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/figure/head_window.h"
#include "core/figure/number_text.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Scene zoomed_scene(const TokenWindow& window) {
  Scene scene = make_scene({.n_layers = 1, .n_heads = 2, .n_kv_heads = 2, .n_tokens = 1000});
  scene.session.view.head = HeadRef{0, 1};
  scene.session.view.stage = StageView::kHead;
  scene.session.view.query.reset();
  const ZoomSet zoom = showing(window, 1000);
  scene.session.view.zoom = zoom.zoom;
  scene.session.view.stretch = zoom.stretch;
  scene.session.view.pan_x = zoom.pan_x;
  scene.session.view.pan_y = zoom.pan_y;
  return scene;
}

TEST(LongHead, ThePointerFindsTheTokensOfTheWindow) {
  const TokenWindow window{.row_begin = 700, .row_end = 800, .col_begin = 250, .col_end = 350};
  const Figure figure = head_figure(input_of(zoomed_scene(window), {880, 640}));
  const CellGrid& grid = figure.cell_grids.at(0);
  EXPECT_EQ(grid.request.row_begin, 700);
  EXPECT_EQ(grid.request.col_end, 350);
  const Hover hover = hit_test(figure, {grid.rect.x + grid.rect.w * 0.255, grid.rect.y + grid.rect.h * 0.105});
  EXPECT_EQ(hover.query, 710);
  EXPECT_EQ(hover.key, 275);
  EXPECT_THAT(text_of(figure), HasSubstr("Queries 700 to 799, keys 250 to 349 of 1,000."));
}

TEST(LongHead, SaysHowManyPairsACellCovers) {
  const Figure whole = head_figure(input_of(zoomed_scene({0, 1000, 0, 1000}), {880, 640}));
  EXPECT_THAT(text_of(whole), HasSubstr("largest of the 4 × 4 pairs"));
  const Figure part = head_figure(input_of(zoomed_scene({0, 140, 0, 140}), {880, 640}));
  EXPECT_THAT(text_of(part), Not(HasSubstr("pairs that it covers")));
}

TEST(LongHead, TheMinimapShowsAndMovesTheWindow) {
  EXPECT_TRUE(head_figure(input_of(zoomed_scene({0, 1000, 0, 1000}), {880, 640})).overviews.empty()) << "nothing is zoomed";
  const Scene scene = zoomed_scene({.row_begin = 500, .row_end = 600, .col_begin = 0, .col_end = 100});
  const Figure figure = head_figure(input_of(scene, {880, 640}));
  ASSERT_EQ(figure.overviews.size(), 1U);
  const Overview& map = figure.overviews[0];
  const Rect picture = figure.cell_grids[0].rect;
  EXPECT_GE(map.rect.x, picture.x + picture.w) << "beside the data";
  EXPECT_LE(map.rect.x + map.rect.w, 880);
  const Hover hover = hit_test(figure, {map.rect.x + map.rect.w * 0.3005, map.rect.y + map.rect.h * 0.9005});
  ASSERT_EQ(hover.overview, &map);
  EXPECT_EQ(hover.grid, nullptr);
  EXPECT_EQ(hover.key, 300);
  EXPECT_EQ(hover.query, 900);
  const Color accent = theme(ThemeName::kDark).accent;
  bool has_frame = false;
  for (const FilledRect& rect : items_of<FilledRect>(figure)) {
    if (rect.stroke != accent || rect.rect.x < map.rect.x - 1 || rect.rect.x > map.rect.x + map.rect.w) continue;
    has_frame = true;
    EXPECT_NEAR(rect.rect.x, map.rect.x, 1e-6);
    EXPECT_NEAR(rect.rect.y, map.rect.y + map.rect.h * 0.5, 1e-6);
    EXPECT_NEAR(rect.rect.w, map.rect.w * 0.1, 1e-6);
  }
  EXPECT_TRUE(has_frame);
  EXPECT_THAT(map.tooltip, HasSubstr("queries 500 to 599"));
}

TEST(LongHead, ATooltipTellsWhatTheCellCovers) {
  const Scene scene = zoomed_scene({0, 1000, 0, 1000});
  const Figure figure = head_figure(input_of(scene, {880, 640}));
  const CellGrid& grid = figure.cell_grids[0];
  ASSERT_EQ(grid.cell_queries, 4);
  EXPECT_THAT(covered_tooltip(*scene.snapshot, grid, 500, 999), HasSubstr("keys 996 to 999, all masked"));
  const std::string text = covered_tooltip(*scene.snapshot, grid, 502, 301);
  double largest = 0;
  for (std::int64_t query = 500; query < 504; ++query) {
    for (std::int64_t key = 300; key < 304; ++key)
      largest = std::max(largest, evaluate_cell(*scene.snapshot->trace, 0, 1, query, key).probability);
  }
  EXPECT_THAT(text, HasSubstr("queries 500 to 503, keys 300 to 303"));
  EXPECT_THAT(text, HasSubstr("largest " + probability_text(largest)));
  const Figure exact = head_figure(input_of(zoomed_scene({0, 100, 0, 100}), {880, 640}));
  EXPECT_EQ(covered_tooltip(*scene.snapshot, exact.cell_grids[0], 5, 5), "");
}

TEST(LongHead, TheRowStandsUnderItsKeys) {
  Scene scene = zoomed_scene({.row_begin = 500, .row_end = 600, .col_begin = 200, .col_end = 300});
  EXPECT_EQ(head_figure(input_of(scene, {880, 760})).cell_grids.size(), 1U) << "no row is chosen";
  scene.session.view.query = 550;
  const Figure figure = head_figure(input_of(scene, {880, 760}));
  ASSERT_EQ(figure.cell_grids.size(), 3U);
  const CellGrid &picture = figure.cell_grids[0], &part = figure.cell_grids[1], &whole = figure.cell_grids[2];
  EXPECT_EQ(part.rect.x, picture.rect.x);
  EXPECT_EQ(part.rect.w, picture.rect.w);
  EXPECT_GT(part.rect.y, picture.rect.y + picture.rect.h);
  EXPECT_EQ(part.request.col_begin, 200);
  EXPECT_EQ(part.request.col_end, 300);
  EXPECT_EQ(whole.request.col_begin, 0);
  EXPECT_EQ(whole.request.col_end, 1000);
  EXPECT_EQ(whole.request.row_begin, 550);
  EXPECT_THAT(text_of(figure), HasSubstr("Row 550 t550"));
}

TEST(LongHead, LabelsAreNumberedAtRoundSteps) {
  const std::string text = text_of(head_figure(input_of(zoomed_scene({0, 1000, 0, 1000}), {880, 640})));
  EXPECT_THAT(text, HasSubstr("100 t100"));
  EXPECT_THAT(text, HasSubstr("500 t500"));
}

TEST(LongHead, NothingOverlapsAtAnySizeOrWindow) {
  const TokenWindow windows[] = {{0, 1000, 0, 1000}, {0, 8, 0, 8},        {992, 1000, 992, 1000}, {300, 500, 120, 320},
                                 {100, 900, 0, 50},  {700, 720, 0, 1000}, {333, 343, 320, 330}};
  for (const TokenWindow& window : windows) {
    for (const Size size : {Size{320, 240}, Size{480, 360}, Size{880, 640}, Size{1280, 500}, Size{500, 1000}, Size{2000, 1300}}) {
      for (const bool is_chosen : {false, true}) {
        Scene scene = zoomed_scene(window);
        if (is_chosen) scene.session.view.query = window.row_begin + 3;
        const Figure figure = head_figure(input_of(scene, size));
        EXPECT_THAT(layout_faults(figure, EvenMeasurer()), IsEmpty()) << window.row_begin << " " << window.col_end;
        for (const Overview& map : figure.overviews) {
          EXPECT_GE(map.rect.x, figure.cell_grids[0].rect.x + figure.cell_grids[0].rect.w);
          EXPECT_LE(map.rect.x + map.rect.w, size.w);
        }
      }
    }
  }
}

}  // namespace
}  // namespace headroom
