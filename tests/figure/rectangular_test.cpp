// Cross-attention in every view: queries of one text, keys of another.

#include <gmock/gmock.h>

#include "core/figure/arithmetic.h"
#include "core/model/translation_pass.h"
#include "tests/figure/figure_fixture.h"
#include "tests/model/families.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::int64_t kQueries = 4, kKeys = 9;

/// The decoder's queries are "a0", "a1", ...; the source's tokens "s0", "s1", ...
Scene cross_scene() {
  ModelConfig config = test::family_config("bart");
  const ModelParams params = test::stirred_params(config, 6);
  const std::vector<std::int32_t> source = {3, 4, 11, 6, 2, 5, 7, 8, 1}, target = {0, 9, 4, 12};
  ThreadPool pool(1);
  const auto backend = make_reference_backend();
  const auto whole = std::make_shared<const TranslationTrace>(translate_pass(params, source, target, *backend, pool));
  Scene scene;
  Compute& compute = scene.session.compute;
  compute.trained = TrainedShape(config);
  compute.stack = AttentionStack::kCross;
  compute.n_heads = compute.n_kv_heads = 3;
  compute.d_model = 15;
  auto snapshot = std::make_shared<Snapshot>();
  const auto tokens = [](char letter, const std::vector<std::int32_t>& ids) {
    std::vector<Token> made;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      Token token;
      token.id = ids[i];
      token.text = token.source = letter + std::to_string(i);
      made.push_back(token);
    }
    return made;
  };
  snapshot->version = 1;
  snapshot->compute = compute;
  snapshot->config = config;
  snapshot->tokens = tokens('a', target);
  snapshot->target = snapshot->tokens;
  snapshot->key_tokens = tokens('s', source);
  snapshot->trace = std::shared_ptr<const ForwardTrace>(whole, &whole->cross);
  snapshot->heads = measure_heads(*snapshot->trace, 3);
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    auto& row = snapshot->thumbnails.emplace_back();
    for (std::int64_t head = 0; head < 3; ++head)
      row.push_back(evaluate_tile(*snapshot->trace, {.layer = layer,
                                                     .head = head,
                                                     .row_begin = 0,
                                                     .row_end = kQueries,
                                                     .col_begin = 0,
                                                     .col_end = kKeys,
                                                     .rows = kQueries,
                                                     .cols = kKeys}));
  }
  snapshot->n_kv_heads_left = {3, 3};
  scene.snapshot = snapshot;
  scene.session.view.head = HeadRef{1, 2};
  scene.session.view.query = 3;
  scene.session.view.key = 7;
  return scene;
}

const std::vector<Size> kSizes = {{1200, 800}, {880, 560}, {600, 420}, {344, 420}};

TEST(Rectangular, TheHeatmapHasQueriesDownAndKeysAcross) {
  const Scene scene = cross_scene();
  const Figure figure = head_figure(input_of(scene, {1200, 800}));
  const CellGrid& grid = figure.cell_grids.at(0);
  EXPECT_EQ(grid.request.row_end, kQueries);
  EXPECT_EQ(grid.request.col_end, kKeys);
  EXPECT_NEAR(grid.rect.w / grid.rect.h, static_cast<double>(kKeys) / kQueries, 0.05) << "cells stay square";
  const std::string text = text_of(figure);
  EXPECT_THAT(text, HasSubstr("a3"));
  EXPECT_THAT(text, HasSubstr("s8"));
  EXPECT_THAT(text, Not(HasSubstr("a4")));
  const Hover hover = hit_test(figure, {grid.rect.x + grid.rect.w * 0.99, grid.rect.y + grid.rect.h * 0.99});
  EXPECT_EQ(hover.query, 3);
  EXPECT_EQ(hover.key, 8);
  EXPECT_THAT(cell_tooltip(*scene.snapshot, grid.request, 3, 8), HasSubstr("query 3 a3  →  key 8 s8"));
}

TEST(Rectangular, EveryViewIsSoundAtEverySize) {
  Scene scene = cross_scene();
  const EvenMeasurer measurer;
  for (const Size& size : kSizes) {
    for (const HeadDrawing drawing : {HeadDrawing::kHeatmap, HeadDrawing::kArcs}) {
      scene.session.view.drawing = drawing;
      EXPECT_THAT(layout_faults(head_figure(input_of(scene, size)), measurer), IsEmpty());
    }
    scene.session.view.drawing = HeadDrawing::kHeatmap;
    for (const auto& figure : {heads_figure, row_figure, token_figure, head_card_figure})
      EXPECT_THAT(layout_faults(figure(input_of(scene, size)), measurer), IsEmpty());
  }
}

TEST(Rectangular, RowsListKeysOfTheOtherText) {
  const Scene scene = cross_scene();
  const std::string row = text_of(row_figure(input_of(scene, {900, 640})));
  EXPECT_THAT(row, HasSubstr("row 3 a3"));
  EXPECT_THAT(row, HasSubstr("each of 9 keys"));
  EXPECT_THAT(row, HasSubstr("s7"));
  EXPECT_NE(find_hit(row_figure(input_of(scene, {900, 640})), "key 8"), nullptr);
}

TEST(Rectangular, ArcsLeadFromOneTextToTheOther) {
  Scene scene = cross_scene();
  scene.session.view.drawing = HeadDrawing::kArcs;
  const Figure figure = head_figure(input_of(scene, {600, 640}));
  EXPECT_NE(find_hit(figure, "query 3"), nullptr);
  EXPECT_EQ(find_hit(figure, "query 4"), nullptr);
  ASSERT_NE(find_hit(figure, "key 8"), nullptr);
  const auto* cell = std::get_if<CellSelected>(&*find_hit(figure, "key 8")->click);
  ASSERT_NE(cell, nullptr);
  EXPECT_EQ(cell->query, 3);
  EXPECT_EQ(cell->key, 8);
}

TEST(Rectangular, TheArithmeticAddsUpAndNamesBothTokens) {
  const Scene scene = cross_scene();
  for (std::int64_t query = 0; query < kQueries; ++query) {
    for (std::int64_t key = 0; key < kKeys; ++key) {
      const CellArithmetic math = explain_cell(*scene.snapshot->trace, 1, 2, query, key);
      EXPECT_EQ(math.n_visible, kKeys);
      const Cell cell = evaluate_cell(*scene.snapshot->trace, 1, 2, query, key);
      EXPECT_NEAR(math.probability, cell.probability, 0.0006);
    }
  }
  const std::string text = text_of(cell_figure(input_of(scene, {344, 560})));
  EXPECT_THAT(text, HasSubstr("a3"));
  EXPECT_THAT(text, HasSubstr("v of s7"));
}

TEST(Rectangular, TheTokenViewSaysWhoseKeysAndValuesItShows) {
  Scene scene = cross_scene();
  const std::string text = text_of(token_figure(input_of(scene, {1200, 700})));
  EXPECT_THAT(text, HasSubstr("k and v of source token 7 “s7”"));
  EXPECT_THAT(text, HasSubstr("9 keys"));
  scene.session.view.key.reset();
  EXPECT_THAT(text_of(token_figure(input_of(scene, {1200, 700}))), HasSubstr("k and v of source token"));
}

TEST(Rectangular, ZoomedTheMinimapHasTheShapeOfTheHead) {
  Scene scene = cross_scene();
  scene.session.view.key.reset();
  scene.session.view.stretch = 8.0 / 9;
  const Figure figure = head_figure(input_of(scene, {1200, 800}));
  EXPECT_EQ(figure.cell_grids.at(0).request.col_end, 8);
  ASSERT_EQ(figure.overviews.size(), 1u);
  EXPECT_EQ(figure.overviews[0].n_queries, kQueries);
  EXPECT_EQ(figure.overviews[0].n_keys, kKeys);
  EXPECT_GT(figure.overviews[0].rect.w, figure.overviews[0].rect.h);
}

TEST(Arithmetic, GoesThroughCapsAndBiases) {
  Scene scene = make_scene({.n_tokens = 6});
  auto trace = std::make_shared<ForwardTrace>();
  trace->ids = scene.snapshot->trace->ids;
  trace->layers.resize(1);
  LayerTrace& layer = trace->layers[0];
  const LayerTrace& from = scene.snapshot->trace->layers[0];
  layer.attention.q = from.attention.q;
  layer.attention.k = from.attention.k;
  layer.attention.v = from.attention.v;
  layer.heads = from.heads;
  layer.kv_head_of = from.kv_head_of;
  layer.d_head = from.d_head;
  layer.scale = 1;
  layer.soft_cap = 2;
  layer.position_bias = std::make_shared<const PositionBias>(PositionBias{
      .n_heads = 4, .reach = 2, .values = {0.5F, -0.25F, 0, 0.1F, 0.2F, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, -1, -2, -3, -4, -5}});
  layer.row_sums = make_row_sums(layer);
  for (std::int64_t head : {0, 1, 3}) {
    const CellArithmetic math = explain_cell(*trace, 0, head, 4, 3);
    EXPECT_EQ(math.soft_cap, 2);
    EXPECT_EQ(math.capped, rounded(2 * std::tanh(math.score / 2), math.decimals));
    EXPECT_TRUE(math.has_bias);
    EXPECT_NEAR(math.bias, layer.position_bias->at(head, -1), 1e-6);
    EXPECT_EQ(math.biased, rounded(math.capped + math.bias, math.decimals));
    EXPECT_EQ(math.shifted, rounded(math.biased - math.row_max, math.decimals));
    EXPECT_EQ(math.probability, rounded_probability(evaluate_cell(*trace, 0, head, 4, 3).probability));
  }
}

}  // namespace
}  // namespace headroom
