#include "core/figure/row_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::vector<float> row_of(std::int64_t n) {
  std::vector<float> row(static_cast<std::size_t>(n), 0.001F);
  row[0] = 0.5F;
  row[static_cast<std::size_t>(n / 2)] = 0.25F;
  row.back() = NAN;
  return row;
}

struct Drawn {
  Figure figure;
  const CellGrid& grid() const { return figure.cell_grids.at(0); }
};

Drawn draw(const std::vector<float>& row, double width, FirstToken first_token = FirstToken::kShown) {
  static const Scene scene = make_scene({});
  const FigureInput input = input_of(scene, {1000, 200});
  Canvas canvas(input, "row");
  draw_row_plot(canvas, {.rect = {10, 10, width, 100},
                         .head = {0, 1},
                         .query = 3,
                         .begin = 0,
                         .end = std::ssize(row),
                         .probabilities = row,
                         .largest = row_peak(row, first_token).probability});
  return {canvas.take()};
}

std::vector<Rect> bars_of(const Figure& figure) {
  std::vector<Rect> bars;
  for (const FilledRect& rect : items_of<FilledRect>(figure)) {
    if (rect.fill == theme(ThemeName::kDark).attention) bars.push_back(rect.rect);
  }
  return bars;
}

TEST(RowPlot, ABarAKeyAsHighAsItsProbability) {
  const Drawn drawn = draw(row_of(10), 200);
  const std::vector<Rect> bars = bars_of(drawn.figure);
  ASSERT_EQ(bars.size(), 2U) << "what is next to nothing has no bar";
  EXPECT_EQ(bars[0].h, 100);
  EXPECT_EQ(bars[1].h, 50);
  EXPECT_EQ(bars[0].x, 10);
  EXPECT_EQ(bars[1].x, 110);
  ASSERT_NE(drawn.grid().column_keys, nullptr);
  EXPECT_EQ(drawn.grid().column_keys->size(), 10U);
  EXPECT_EQ(drawn.grid().request.row_begin, 3);
}

TEST(RowPlot, ABarThatCoversManyKeysStandsForTheLargest) {
  std::vector<float> row(10000, 0.0F);
  row[7777] = 0.9F;
  const Drawn drawn = draw(row, 500);
  const std::vector<Rect> bars = bars_of(drawn.figure);
  ASSERT_EQ(bars.size(), 1U);
  EXPECT_EQ(bars[0].x, 10 + 7777 / 20);
  EXPECT_EQ(bars[0].w, 1);
  const Hover hover = hit_test(drawn.figure, {10 + 7777 / 20 + 0.5, 50});
  ASSERT_NE(hover.grid, nullptr);
  EXPECT_EQ(hover.key, 7777) << "the pointer is on the one that is seen, not on the first of twenty";
  EXPECT_EQ(hover.query, 3);
  EXPECT_LT(items_of<FilledRect>(drawn.figure).size(), 20U) << "long stretches alike are one rectangle";
}

TEST(RowPlot, TheFirstTokenLeftOutDoesNotSetTheScale) {
  EXPECT_EQ(row_peak(row_of(10), FirstToken::kLeftOut).key, 5);
  EXPECT_EQ(bars_of(draw(row_of(10), 200, FirstToken::kLeftOut).figure)[5].h, 100);
  EXPECT_EQ(row_peak(std::vector<float>(4, NAN), FirstToken::kShown).key, -1);
}

TEST(RowFigure, ShowsAllKeysAndListsTheLargest) {
  Scene scene = make_scene({.n_tokens = 300});
  scene.session.view.head = HeadRef{1, 2};
  scene.session.view.query = 250;
  const Figure figure = row_figure(input_of(scene, {1200, 600}));
  const std::vector<float> row = evaluate_row(*scene.snapshot->trace, 1, 2, 250);
  const auto best = std::max_element(row.begin(), row.begin() + 251) - row.begin();
  ASSERT_EQ(figure.cell_grids.size(), 1U);
  EXPECT_EQ(figure.cell_grids[0].request.col_end, 300);
  const HitRegion* first = find_hit(figure, "key " + std::to_string(best));
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(std::get<CellSelected>(first->click.value()).key, best);
  EXPECT_THAT(text_of(figure), HasSubstr("row 250 t250"));
  for (const Size size : {Size{320, 240}, Size{700, 400}, Size{1600, 900}})
    EXPECT_THAT(layout_faults(row_figure(input_of(scene, size)), EvenMeasurer()), IsEmpty());
}

TEST(RowFigure, SaysWhatIsMissing) {
  Scene scene = make_scene({.pruned = {{0, 1}}});
  scene.session.view.head = HeadRef{0, 1};
  scene.session.view.query = 2;
  EXPECT_THAT(text_of(row_figure(input_of(scene, {800, 400}))), HasSubstr("pruned"));
  scene.session.view.head = HeadRef{0, 0};
  scene.session.view.query = 7;
  EXPECT_THAT(text_of(row_figure(input_of(scene, {800, 400}))), HasSubstr("No row is chosen"));
  scene.session.view.head.reset();
  EXPECT_THAT(text_of(row_figure(input_of(scene, {800, 400}))), HasSubstr("No head is chosen"));
}

}  // namespace
}  // namespace headroom
