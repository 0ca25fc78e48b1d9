// What each figure says and does, as a value.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/figure/canvas.h"
#include "core/figure/heads_layout.h"
#include "core/figure/token_axis.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::Not;

template <typename T>
const T& action_of(const std::optional<Action>& action) {
  return std::get<T>(action.value());
}

TEST(HeadsFigure, HasATileAndARegionForEachHead) {
  const Scene scene = make_scene({.n_layers = 3, .n_heads = 4, .n_kv_heads = 2});
  const Figure figure = heads_figure(input_of(scene, {880, 640}));
  EXPECT_EQ(items_of<AttentionTile>(figure).size(), 12U);
  EXPECT_EQ(figure.cell_grids.size(), 12U);
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  for (const AttentionTile& tile : items_of<AttentionTile>(figure)) {
    seen.insert({tile.request.layer, tile.request.head});
    EXPECT_EQ(tile.request,
              scene.snapshot->thumbnails[static_cast<std::size_t>(tile.request.layer)][static_cast<std::size_t>(tile.request.head)]
                  .request)
        << "the snapshot's own thumbnail is what is asked for";
  }
  EXPECT_EQ(seen.size(), 12U);
  const HitRegion* hit = find_hit(figure, "head L2 H3");
  ASSERT_NE(hit, nullptr);
  EXPECT_EQ(action_of<HeadOpened>(hit->click).head, (HeadRef{2, 3}));
  EXPECT_EQ(action_of<HeadPruneToggled>(hit->ctrl_click).head, (HeadRef{2, 3}));
  for (const char* part : {"Layer 2, head 3", "entropy", "previous token", "first token", "self", "broadcast"})
    EXPECT_THAT(hit->tooltip, HasSubstr(part));
  const std::string text = text_of(figure);
  for (const char* label : {"H0", "H3", "L0", "L2", "masked", "probability"})
    EXPECT_THAT(text, HasSubstr(label));
}

TEST(HeadsFigure, HatchesPrunedHeadsAndSaysSo) {
  Scene scene = make_scene({.n_layers = 2, .n_heads = 4, .pruned = {{1, 2}}});
  scene.session.compute.pruned = {{1, 2}};
  const Figure figure = heads_figure(input_of(scene, {880, 640}));
  EXPECT_EQ(items_of<AttentionTile>(figure).size(), 7U);
  const HitRegion* hit = find_hit(figure, "head L1 H2");
  ASSERT_NE(hit, nullptr);
  EXPECT_THAT(hit->tooltip, HasSubstr("pruned"));
  int n_over_head = 0;
  for (const Hatch& hatch : items_of<Hatch>(figure))
    n_over_head += hit->shape.contains({hatch.rect.x + 1, hatch.rect.y + 1}) ? 1 : 0;
  EXPECT_EQ(n_over_head, 1);
  EXPECT_EQ(items_of<Hatch>(figure).size(), 2U) << "the head and its swatch in the legend";
  EXPECT_THAT(text_of(figure), HasSubstr("pruned"));
}

TEST(HeadsFigure, BadgesAndLegendTellWhatWasMeasured) {
  Scene scene = make_scene({.n_layers = 1, .n_heads = 2, .n_kv_heads = 2});
  HeadMetrics& named = scene.snapshot->heads[0][0];
  named.has_pattern = true;
  named.strongest = HeadPattern::kPreviousToken;
  named.scores = {0.93, 0.1, 0, 0.2};
  HeadMetrics& unnamed = scene.snapshot->heads[0][1];
  unnamed.has_pattern = false;
  unnamed.relative_entropy = 0.42;
  const std::string text = text_of(heads_figure(input_of(scene, {880, 640})));
  for (const char* part :
       {"previous token\n", "0.93\n", "–\n", "entropy 0.42\n", "measured on this sentence", "none (1 of 2)", "0.50"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(HeadsFigure, RanksHeadsAndNamesThem) {
  Scene scene = make_scene({.n_layers = 2, .n_heads = 2, .n_kv_heads = 2});
  auto& heads = scene.snapshot->heads;
  heads[0][0].scores[2] = 0.2;
  heads[0][1].scores[2] = 0.9;
  heads[1][0].scores[2] = 0.4;
  heads[1][1].is_pruned = true;
  heads[1][1].scores[2] = 1;
  scene.session.view.sort = HeadSort::kSelf;
  const Figure figure = heads_figure(input_of(scene, {880, 640}));
  std::vector<std::string> order;
  for (const HitRegion& hit : figure.hits)
    order.push_back(hit.name);
  EXPECT_THAT(order, testing::ElementsAre("head L0 H1", "head L1 H0", "head L0 H0", "head L1 H1"));
  EXPECT_THAT(text_of(figure), HasSubstr("L0 H1\n"));
  heads[0][0].entropy = 0.1;
  heads[0][1].entropy = 0.5;
  heads[1][0].entropy = 0.3;
  scene.session.view.sort = HeadSort::kEntropy;
  EXPECT_EQ(heads_figure(input_of(scene, {880, 640})).hits.front().name, "head L0 H0") << "sharpest first";
}

TEST(HeadsFigure, OutlinesTheChosenHead) {
  Scene scene = make_scene({});
  const auto n_accent = [&] {
    int n = 0;
    for (const FilledRect& rect : items_of<FilledRect>(heads_figure(input_of(scene, {880, 640}))))
      n += rect.stroke == theme(ThemeName::kDark).accent ? 1 : 0;
    return n;
  };
  EXPECT_EQ(n_accent(), 0);
  scene.session.view.head = HeadRef{1, 1};
  EXPECT_EQ(n_accent(), 1);
}

TEST(HeadsFigure, ZoomsAndKeepsPointerRegionsInView) {
  Scene scene = make_scene({.n_layers = 4, .n_heads = 8, .n_kv_heads = 8});
  const double before = items_of<AttentionTile>(heads_figure(input_of(scene, {880, 640}))).front().rect.w;
  scene.session.view.heads_zoom = 4;
  scene.session.view.heads_pan_x = scene.session.view.heads_pan_y = 0.4;
  const Figure figure = heads_figure(input_of(scene, {880, 640}));
  EXPECT_GT(items_of<AttentionTile>(figure).front().rect.w, 3.5 * before);
  EXPECT_FALSE(items_of<ClipTo>(figure).empty());
  EXPECT_LT(figure.hits.size(), 32U) << "what is out of view cannot be hit";
  for (const CellGrid& grid : figure.cell_grids) {
    if (grid.rect.w <= 0) continue;
    EXPECT_GE(grid.rect.x, 0);
    EXPECT_GE(grid.rect.y, 0);
    EXPECT_LE(grid.rect.x + grid.rect.w, 880);
    EXPECT_LE(grid.rect.y + grid.rect.h, 640);
    const TileRequest& r = grid.request;
    EXPECT_NEAR(grid.rect.w / static_cast<double>(r.col_end - r.col_begin),
                grid.rect.h / static_cast<double>(r.row_end - r.row_begin), 1e-6);
  }
}

TEST(HeadsFigure, LeavingOutTheFirstTokenRescales) {
  Scene scene = make_scene({});
  scene.session.view.first_token = FirstToken::kLeftOut;
  double largest = 0;
  for (const auto& layer : scene.snapshot->thumbnails) {
    for (const Tile& tile : layer) {
      for (std::size_t i = 0; i < tile.values.size(); ++i) {
        if (i % 7 != 0 && tile.values[i] > largest) largest = tile.values[i];
      }
    }
  }
  for (const AttentionTile& tile : items_of<AttentionTile>(heads_figure(input_of(scene, {880, 640})))) {
    EXPECT_EQ(tile.first_token, FirstToken::kLeftOut);
    EXPECT_EQ(tile.value_max, largest);
  }
}

TEST(HeadsLayout, FillsTheRoomAndKeepsTilesApart) {
  for (const auto& [layers, heads] : {std::pair{1, 1}, {4, 8}, {96, 64}, {12, 12}, {2, 64}, {96, 1}}) {
    const Size room{900, 560};
    const HeadsLayout layout = lay_out_grid({layers, heads}, room);
    ASSERT_EQ(layout.places.size(), static_cast<std::size_t>(layers * heads));
    EXPECT_LE(layout.content.w, room.w + 1e-6);
    EXPECT_LE(layout.content.h, room.h + 1e-6);
    EXPECT_GT(layout.side, 0);
    EXPECT_EQ(layout.places.back().head, (HeadRef{layers - 1, heads - 1}));
    const Rect& last = layout.places.back().tile;
    EXPECT_LE(last.x + last.w, room.w + 1e-6);
    EXPECT_LE(last.y + last.h, room.h + 1e-6);
    if (heads > 1) {
      EXPECT_GE(layout.places[1].tile.x, layout.places[0].tile.x + layout.side);
    }
  }
  EXPECT_TRUE(lay_out_grid({4, 8}, {900, 560}).has_badges);
  EXPECT_FALSE(lay_out_grid({48, 64}, {900, 560}).has_badges);
  // A layer of 32 heads on two lines of 16: heads keep their order, and the tiles grow.
  const HeadsLayout folded = lay_out_grid({4, 32, 2}, {900, 560});
  EXPECT_GT(folded.side, 1.3 * lay_out_grid({4, 32}, {900, 560}).side);
  EXPECT_EQ(folded.places[16].head, (HeadRef{0, 16}));
  EXPECT_EQ(folded.places[16].tile.x, folded.places[0].tile.x);
  EXPECT_GT(folded.places[16].tile.y, folded.places[0].tile.y);
  EXPECT_EQ(folded.places[32].head, (HeadRef{1, 0}));
}

TEST(HeadFigure, ShowsTokensOnBothAxesAndTheChosenRow) {
  Scene scene = make_scene({.n_tokens = 6});
  scene.session.view.head = HeadRef{1, 2};
  const Figure figure = head_figure(input_of(scene, {880, 640}));
  int n_level = 0, n_turned = 0;
  for (const TextRun& run : items_of<TextRun>(figure)) {
    if (run.text == "t4") (run.angle == 45 ? n_turned : n_level) += 1;
  }
  EXPECT_EQ(n_level, 1);
  EXPECT_EQ(n_turned, 1);
  const HitRegion* row = find_hit(figure, "query 4");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(action_of<QuerySelected>(row->click).query, 4);
  ASSERT_EQ(figure.cell_grids.size(), 1U);
  EXPECT_FALSE(figure.cell_grids[0].opens_head);
  // Cells of 64 px hold their values: the visible ones, in print.
  int n_values = 0;
  for (const TextRun& run : items_of<TextRun>(figure))
    n_values += run.face == FontFace::kMono && run.text.starts_with("0.") ? 1 : 0;
  EXPECT_GE(n_values, 15);
}

TEST(HeadFigure, ScoresHaveTheirOwnRangeAndUnit) {
  Scene scene = make_scene({});
  scene.session.view.head = HeadRef{0, 0};
  scene.session.view.quantity = Quantity::kScores;
  const Figure figure = head_figure(input_of(scene, {880, 640}));
  const AttentionTile tile = items_of<AttentionTile>(figure).at(0);
  const Tile exact = evaluate_tile(*scene.snapshot->trace, tile.request);
  float low = INFINITY, high = -INFINITY;
  for (const float value : exact.values) {
    if (std::isnan(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  EXPECT_EQ(tile.value_min, low);
  EXPECT_EQ(tile.value_max, high);
  EXPECT_THAT(text_of(figure), HasSubstr("nats"));
}

TEST(HeadFigure, ZoomShowsAWindowOfTokens) {
  Scene scene = make_scene({.n_tokens = 12});
  scene.session.view.head = HeadRef{0, 0};
  scene.session.view.zoom = 3;
  scene.session.view.pan_x = 0;
  scene.session.view.pan_y = 1;
  const TileRequest shown = head_figure(input_of(scene, {880, 640})).cell_grids.at(0).request;
  EXPECT_EQ(shown.row_begin, 4) << "eight tokens at least";
  EXPECT_EQ(shown.row_end, 12);
  EXPECT_EQ(shown.col_begin, 0);
  EXPECT_EQ(shown.col_end, 8);
}

TEST(HeadFigure, ArcsAreAsOpaqueAsTheirProbability) {
  Scene scene = make_scene({.n_tokens = 6});
  scene.session.view.head = HeadRef{0, 1};
  scene.session.view.drawing = HeadDrawing::kArcs;
  scene.session.view.query = 5;
  const Figure figure = head_figure(input_of(scene, {880, 640}));
  const std::vector<float> row = evaluate_row(*scene.snapshot->trace, 0, 1, 5);
  const std::vector<Curve> curves = items_of<Curve>(figure);
  ASSERT_EQ(curves.size(), 6U);
  for (std::size_t key = 0; key < 6; ++key)
    EXPECT_NEAR(curves[key].color.a / 255.0, std::max(row[key], 0.04f), 1.0 / 255) << key;
  const HitRegion* key = find_hit(figure, "key 2");
  ASSERT_NE(key, nullptr);
  EXPECT_EQ(action_of<CellSelected>(key->click).key, 2);
  EXPECT_THAT(text_of(figure), HasSubstr(" %"));
}

TEST(HeadFigure, SaysThatAPrunedHeadComputesNothing) {
  Scene scene = make_scene({.pruned = {{0, 1}}});
  scene.session.view.head = HeadRef{0, 1};
  const Figure figure = head_figure(input_of(scene, {880, 640}));
  EXPECT_EQ(items_of<Hatch>(figure).size(), 1U);
  EXPECT_TRUE(items_of<AttentionTile>(figure).empty());
  EXPECT_THAT(text_of(figure), HasSubstr("pruned"));
}

TEST(TokenAxis, ThinsLabelsEvenlyAndKeepsTheEmphasised) {
  std::vector<Token> tokens(100);
  const TokenAxis roomy{tokens, 0, 100, 0, 2000, 0, 50, {}};
  EXPECT_EQ(labelled_tokens(roomy, 14).size(), 100U);
  const TokenAxis tight{tokens, 0, 100, 0, 400, 0, 50, {33}};
  const std::vector<std::int64_t> shown = labelled_tokens(tight, 14);
  EXPECT_NE(std::find(shown.begin(), shown.end(), 33), shown.end());
  EXPECT_GE(shown.size(), 20U);
  for (std::size_t i = 1; i < shown.size(); ++i)
    EXPECT_GE(static_cast<double>(shown[i] - shown[i - 1]) * 4, 14);
}

TEST(TokenFigure, ShowsLiveShapesAndSharedHeads) {
  Scene scene = make_scene({.n_layers = 2, .n_heads = 8, .n_kv_heads = 2, .d_head = 16, .pruned = {{1, 5}}});
  scene.session.view.head = HeadRef{1, 0};
  const Figure figure = token_figure(input_of(scene, {1280, 720}));
  const std::string text = text_of(figure);
  for (const char* part :
       {"128\n", "7 × 16", "2 × 16", "128 × 112", "layer 1", "“t6”", "7 query heads share 2 K/V heads", "NEXT TOKEN"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_NE(find_hit(figure, "q of head 0, after rotation"), nullptr);
  EXPECT_EQ(find_hit(figure, "q of head 5, after rotation"), nullptr);
  EXPECT_NE(find_hit(figure, "pruned head 5"), nullptr);
  EXPECT_NE(find_hit(figure, "v of K/V head 1"), nullptr);
  EXPECT_EQ(find_hit(figure, "v of K/V head 2"), nullptr);
  scene.session.view.query = 2;
  EXPECT_THAT(text_of(token_figure(input_of(scene, {1280, 720}))), HasSubstr("“t2”"));
}

TEST(TokenFigure, DrawsNoMoreThanAFrameMay) {
  const Scene scene = make_scene({.n_layers = 1, .n_heads = 64, .n_kv_heads = 64, .d_head = 64, .n_tokens = 3});
  EXPECT_LT(token_figure(input_of(scene, {2560, 1440})).items.size(), 8000U);
}

TEST(KvFigure, ComparesShapesInTheChosenType) {
  Scene scene = make_scene({.n_layers = 4, .n_heads = 8, .n_kv_heads = 2, .d_head = 16, .n_tokens = 10});
  std::string text = text_of(kv_figure(input_of(scene, {480, 160})));
  for (const char* part : {"MHA, 8", "40.00 KiB", "GQA, 2 (now)", "10.00 KiB", "MQA, 1", "5.00 KiB", "computed",
                           "2 · 4 layers · 1 · 10 tokens · 2 heads · 16 · 4 B"})
    EXPECT_THAT(text, HasSubstr(part));
  scene.session.view.kv_type = KvType::kInt8;
  scene.session.view.kv_context = 1000;
  text = text_of(kv_figure(input_of(scene, {480, 160})));
  EXPECT_THAT(text, HasSubstr("1000 tokens · 2 heads · (16 · 1 B + 4 B) = " + bytes_text(2 * 4 * 1000 * 2 * (16 + 4))));
  EXPECT_THAT(text, Not(HasSubstr("now in int8")));
}

TEST(KvFigure, OfAnEncoderIsOfOnePass) {
  Scene scene = make_scene({});
  EXPECT_THAT(text_of(kv_figure(input_of(scene, {480, 160}))), HasSubstr("keys and values kept"));
  scene.snapshot->compute.trained.kind = ModelKind::kMasked;
  EXPECT_THAT(text_of(kv_figure(input_of(scene, {480, 160}))), HasSubstr("an encoder keeps none"));
  scene.snapshot->compute.trained.kind = ModelKind::kEncoderDecoder;
  scene.snapshot->compute.stack = AttentionStack::kEncoder;
  EXPECT_THAT(text_of(kv_figure(input_of(scene, {480, 160}))), HasSubstr("an encoder keeps none"));
  scene.snapshot->compute.stack = AttentionStack::kSelf;
  EXPECT_THAT(text_of(kv_figure(input_of(scene, {480, 160}))), HasSubstr("keys and values kept"));
}

TEST(KvFigure, UnevenLayersAfterPruningCountAsTheyAre) {
  const Scene scene =
      make_scene({.n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .d_head = 16, .n_tokens = 8, .pruned = {{0, 0}, {0, 1}}});
  const std::string text = text_of(kv_figure(input_of(scene, {900, 600})));
  EXPECT_THAT(text, HasSubstr("(1 + 2) heads"));
  EXPECT_THAT(text, HasSubstr("pruned (now)"));
  EXPECT_THAT(text, HasSubstr("1 head  " + bytes_text(2 * 8 * 16 * 4)));
}

TEST(TimingFigure, PutsStagesToScaleAndDevicesSideBySide) {
  Scene scene = make_scene({});
  scene.snapshot->gpu = PassTiming{.backend = "GPU", .stages = {{"q k v", 0.2}, {"attention", 0.2}}, .total_ms = 0.41};
  const Figure figure = timing_figure(input_of(scene, {480, 180}));
  const HitRegion* mlp = find_hit(figure, "CPU MLP");
  const HitRegion* attention = find_hit(figure, "CPU attention");
  const HitRegion* gpu = find_hit(figure, "GPU attention");
  ASSERT_TRUE(mlp != nullptr && attention != nullptr && gpu != nullptr);
  EXPECT_NEAR(mlp->shape.w / attention->shape.w, 1.0 / 0.3, 1e-6);
  EXPECT_NEAR(gpu->shape.w / attention->shape.w, 0.2 / 0.3, 1e-6);
  EXPECT_THAT(mlp->tooltip, HasSubstr("measured"));
  const std::string text = text_of(figure);
  EXPECT_THAT(text, HasSubstr("2.05 ms  3,415 tokens/s"));
  EXPECT_THAT(text, HasSubstr("measured"));
}

TEST(TimingFigure, DrawsTheHistoryNewestAtTheRight) {
  const Scene scene = make_scene({});
  const TimingHistory history{.cpu_ms = {1, 2, 4}, .gpu_ms = {}};
  const Figure figure = timing_figure(input_of(scene, {480, 190}), history);
  const auto lines = items_of<Polyline>(figure);
  const auto curve = std::find_if(lines.begin(), lines.end(), [](const Polyline& line) { return line.points.size() == 3; });
  ASSERT_NE(curve, lines.end());
  EXPECT_LT(curve->points[2].y, curve->points[0].y) << "larger is higher";
  EXPECT_NEAR(curve->points[2].x, 480, 1e-6);
  EXPECT_THAT(text_of(figure), HasSubstr("largest 4.00 ms"));
}

TEST(PredictionFigure, NamesNoTokenWhereNothingIsPredicted) {
  Scene scene = make_scene({});
  scene.snapshot->no_prediction = "An encoder by itself predicts nothing.";
  const std::string text = text_of(prediction_figure(input_of(scene, {320, 200})));
  EXPECT_THAT(text, HasSubstr("PREDICTION\n"));
  EXPECT_THAT(text, HasSubstr("An encoder by itself predicts nothing."));
  EXPECT_THAT(text, Not(HasSubstr("computed")));
}

TEST(PredictionFigure, ListsTheMostProbableFirst) {
  Scene scene = make_scene({});
  scene.session.view.query = 3;
  const Figure figure = prediction_figure(input_of(scene, {320, 200}));
  const std::vector<Prediction> expected = top_predictions(scene.snapshot->trace->logits, 3, 8);
  const HitRegion* first = find_hit(figure, "prediction 0");
  ASSERT_NE(first, nullptr);
  EXPECT_THAT(first->tooltip, HasSubstr("id " + std::to_string(expected[0].id) + "\n"));
  EXPECT_THAT(text_of(figure), HasSubstr("after “t3”"));
}

TEST(HeadCardFigure, ShowsFourScoresAndTheThreshold) {
  Scene scene = make_scene({});
  scene.session.view.head = HeadRef{0, 3};
  scene.snapshot->heads[0][3].scores = {0.11, 0.22, 0.33, 0.44};
  const Figure figure = head_card_figure(input_of(scene, {312, 480}));
  const std::string text = text_of(figure);
  for (const char* part :
       {"0.11", "0.22", "0.33", "0.44", "previous token", "broadcast", "threshold 0.50", "nats", "no clear pattern"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_LE(figure.size.h, 480);
  EXPECT_THAT(find_hit(figure, "pattern self")->tooltip, HasSubstr(std::string(pattern_definition(HeadPattern::kSelf))));
}

TEST(CellFigure, PrintsTheArithmetic) {
  Scene scene = make_scene({.d_head = 16});
  scene.session.view.head = HeadRef{0, 0};
  scene.session.view.query = 4;
  scene.session.view.key = 2;
  const Figure figure = cell_figure(input_of(scene, {312, 620}));
  const std::string text = text_of(figure);
  for (const char* part : {"sum of q·k over 16 dimensions", "0.2500", "1/√16", "score, nats", "row's maximum", "exp(", "row's sum",
                           "probability", "v of t2"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_NE(find_hit(figure, "dimension 15"), nullptr);
  const std::string narrow = text_of(cell_figure(input_of(scene, {240, 620})));
  EXPECT_THAT(narrow, HasSubstr(" = probability")) << "cut nowhere: the words in between are left away";
  EXPECT_THAT(narrow, Not(HasSubstr("row's sum")));
}

TEST(EmptyStates, AreSentences) {
  Scene scene = make_scene({});
  FigureInput input = input_of(scene, {480, 300});
  EXPECT_THAT(text_of(head_figure(input)), HasSubstr("No head is chosen"));
  EXPECT_THAT(text_of(head_card_figure(input)), HasSubstr("No head is chosen"));
  EXPECT_THAT(text_of(cell_figure(input)), HasSubstr("No cell is chosen"));
  scene.session.view.head = HeadRef{9, 9};  // of a larger model that was open before
  EXPECT_THAT(text_of(head_figure(input)), HasSubstr("No head is chosen"));
  input.snapshot = nullptr;
  for (const auto make : {heads_figure, head_figure, token_figure, kv_figure, prediction_figure, head_card_figure, cell_figure}) {
    const Figure figure = make(input);
    EXPECT_GE(text_of(figure).size(), 40U);
    EXPECT_FALSE(figure.title.empty());
  }
  EXPECT_THAT(text_of(timing_figure(input)), HasSubstr("No run yet"));
}

}  // namespace
}  // namespace headroom
