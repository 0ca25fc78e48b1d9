// The overview of many heads: joined pictures, parts of the text, groups and 1,024 heads at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/figure/heads_layout.h"
#include "core/figure/heads_together.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// [CLS] a a [SEP] b b [SEP], as a pair of sentences.
Scene pair_scene() {
  Scene scene = make_scene({.mask = {.direction = Direction::kBidirectional}});
  std::vector<Token>& tokens = scene.snapshot->tokens;
  for (const std::size_t special : {0, 3, 6})
    tokens[special].is_special = true;
  for (const std::size_t second : {4, 5, 6})
    tokens[second].type = 1;
  return scene;
}

double probability(const Scene& scene, const HeadRef& head, std::int64_t query, std::int64_t key) {
  return evaluate_cell(*scene.snapshot->trace, head.layer, head.head, query, key).probability;
}

TEST(TokenPart, HidesSpecialTokensAndChoosesSentences) {
  const Scene scene = pair_scene();
  View view;
  EXPECT_TRUE(shown_part(view, *scene.snapshot).is_whole());
  view.special_tokens = SpecialCells::kHidden;
  TokenPart part = shown_part(view, *scene.snapshot);
  EXPECT_THAT(part.queries, ElementsAre(1, 2, 4, 5));
  EXPECT_FALSE(part.is_block());
  view.pair_part = PairPart::kAToB;
  part = shown_part(view, *scene.snapshot);
  EXPECT_THAT(part.queries, ElementsAre(1, 2));
  EXPECT_THAT(part.keys, ElementsAre(4, 5));
  EXPECT_TRUE(part.is_block());
  EXPECT_EQ(part.window(), (TokenWindow{1, 3, 4, 6}));
  view.special_tokens = SpecialCells::kShown;
  view.pair_part = PairPart::kBToA;
  part = shown_part(view, *scene.snapshot);
  EXPECT_THAT(part.queries, ElementsAre(4, 5, 6));
  EXPECT_THAT(part.keys, ElementsAre(0, 1, 2, 3));
}

TEST(TokenPart, ShowsEverythingWhereNothingWouldBeLeft) {
  Scene scene = make_scene({});
  for (Token& token : scene.snapshot->tokens)
    token.is_special = true;
  View view;
  view.special_tokens = SpecialCells::kHidden;
  view.pair_part = PairPart::kAToB;
  EXPECT_TRUE(shown_part(view, *scene.snapshot).is_whole()) << "special tokens alone, and no second sentence";
}

TEST(JoinedHeads, AreTheMeanOrTheLargestPairByPair) {
  const Scene scene = make_scene({.n_layers = 3, .pruned = {{1, 2}}});
  View view;
  view.together = HeadsTogether::kOfLayer;
  const HeadsOrder order = order_heads(view, scene.snapshot->heads);
  const std::vector<JoinedHeads> joined = join_heads(view, order);
  ASSERT_EQ(joined.size(), 3u);
  EXPECT_EQ(joined[1].name, "L1");
  const TokenPart whole = shown_part(view, *scene.snapshot);
  for (const Pooling by : {Pooling::kMean, Pooling::kMax}) {
    const auto tile = joined_tile(*scene.snapshot, joined[1].heads, by, whole);
    ASSERT_EQ(tile->values.size(), 49u);
    for (std::int64_t q = 0; q < 7; ++q) {
      for (std::int64_t k = 0; k < 7; ++k) {
        const float value = tile->values[static_cast<std::size_t>(7 * q + k)];
        if (k > q) {
          EXPECT_TRUE(std::isnan(value)) << "hidden by the causal mask";
          continue;
        }
        double sum = 0, largest = 0;
        for (const std::int64_t h : {0, 1, 3}) {  // head 2 is pruned
          const double p = probability(scene, {1, h}, q, k);
          sum += p;
          largest = std::max(largest, p);
        }
        EXPECT_NEAR(static_cast<double>(value), by == Pooling::kMean ? sum / 3 : largest, 1e-6);
      }
    }
  }
}

TEST(JoinedHeads, GoOverLayersAndOverAll) {
  const Scene scene = make_scene({.n_layers = 3});
  View view;
  view.together = HeadsTogether::kOverLayers;
  std::vector<JoinedHeads> joined = join_heads(view, order_heads(view, scene.snapshot->heads));
  ASSERT_EQ(joined.size(), 4u);
  EXPECT_THAT(joined[2].heads, ElementsAre(HeadRef{0, 2}, HeadRef{1, 2}, HeadRef{2, 2}));
  view.together = HeadsTogether::kAll;
  view.head_search = "L0-1";
  joined = join_heads(view, order_heads(view, scene.snapshot->heads));
  ASSERT_EQ(joined.size(), 1u);
  EXPECT_EQ(joined[0].heads.size(), 8u);
  EXPECT_EQ(joined[0].name, "the shown heads");
}

TEST(TokenPart, CutsTheLargePictureOfAHead) {
  Scene scene = pair_scene();
  View& view = scene.session.view;
  view.pair_part = PairPart::kAToB;
  EXPECT_EQ(shown_window(view, *scene.snapshot), (TokenWindow{0, 4, 4, 7}));
  view.special_tokens = SpecialCells::kHidden;
  EXPECT_EQ(shown_window(view, *scene.snapshot), (TokenWindow{1, 3, 4, 6}));
  view.head = HeadRef{0, 1};
  view.query.reset();
  view.stage = StageView::kHead;
  const Figure heatmap = head_figure(input_of(scene, {900, 700}));
  ASSERT_FALSE(heatmap.cell_grids.empty());
  const TileRequest request = heatmap.cell_grids.front().request;
  EXPECT_EQ(request.row_begin, 1);
  EXPECT_EQ(request.row_end, 3);
  EXPECT_EQ(request.col_begin, 4);
  EXPECT_EQ(request.col_end, 6);
  EXPECT_THAT(text_of(heatmap), HasSubstr("Queries 1 to 2, keys 4 to 5 of 7."));
  view.drawing = HeadDrawing::kArcs;
  const Figure arcs = head_figure(input_of(scene, {900, 700}));
  EXPECT_NE(find_hit(arcs, "query 1"), nullptr);
  EXPECT_EQ(find_hit(arcs, "query 0"), nullptr) << "hidden";
  EXPECT_EQ(find_hit(arcs, "query 4"), nullptr) << "of the other sentence";
}

TEST(Overview, PutsPartsOfATextTogetherCellByCell) {
  Scene scene = pair_scene();
  scene.session.view.special_tokens = SpecialCells::kHidden;
  const Figure figure = heads_figure(input_of(scene, {900, 600}));
  const AttentionTile tile = items_of<AttentionTile>(figure).front();
  const auto cells = figure.own_cells_of(tile);
  ASSERT_NE(cells, nullptr);
  ASSERT_EQ(cells->values.size(), 16u);
  EXPECT_NEAR(cells->values[4 * 1 + 2], probability(scene, {0, 0}, 2, 4), 1e-6);
  EXPECT_THAT(text_of(figure), HasSubstr("Shown: 4 of 7 queries, 4 of 7 keys; special tokens are hidden."));
}

TEST(Overview, OfAPairPartIsEvaluatedWhereItLies) {
  Scene scene = pair_scene();
  scene.session.view.pair_part = PairPart::kAToB;
  const Figure figure = heads_figure(input_of(scene, {900, 600}));
  const TileRequest request = items_of<AttentionTile>(figure).front().request;
  EXPECT_EQ(request.row_begin, 0);
  EXPECT_EQ(request.row_end, 4);
  EXPECT_EQ(request.col_begin, 4);
  EXPECT_EQ(request.col_end, 7);
}

TEST(Overview, JoinedPicturesLeadToTheirHeads) {
  Scene scene = make_scene({.n_layers = 3});
  scene.session.view.together = HeadsTogether::kOfLayer;
  const Figure figure = heads_figure(input_of(scene, {900, 600}));
  EXPECT_EQ(items_of<AttentionTile>(figure).size(), 3u);
  EXPECT_THAT(text_of(figure), HasSubstr("Each picture: the mean probability of its heads, pair by pair."));
  const HitRegion* hit = find_hit(figure, "heads L1");
  ASSERT_NE(hit, nullptr);
  ASSERT_TRUE(hit->click);
  EXPECT_EQ(std::get<HeadSearchSet>(*hit->click).search, "L1");
}

TEST(Overview, CaptionsOfJoinedPicturesAreWhole) {
  Scene scene = make_scene({.n_layers = 32});
  scene.session.view.together = HeadsTogether::kOfLayer;
  const auto counts = [&](Size size, const std::string& caption) {
    const std::vector<TextRun> texts = items_of<TextRun>(heads_figure(input_of(scene, size)));
    return std::ranges::count(texts, caption, &TextRun::text);
  };
  EXPECT_EQ(counts({2400, 1600}, "mean of 4 heads"), 32);
  EXPECT_EQ(counts({970, 600}, "mean of 4 heads"), 0);
  EXPECT_EQ(counts({970, 600}, "4 heads"), 32) << "not cut in its middle; the legend says that it is their mean";
}

TEST(Overview, SaysWhenNothingFits) {
  Scene scene = make_scene({});
  scene.session.view.head_search = "L77";
  EXPECT_THAT(text_of(heads_figure(input_of(scene, {900, 600}))), HasSubstr("No head of this model fits"));
}

TEST(Overview, LaysGroupsOutWithoutOverlap) {
  Scene scene = make_scene({.n_layers = 6, .n_heads = 8, .n_kv_heads = 8, .d_head = 4});
  scene.session.view.group = HeadGroup::kPatterns;
  for (std::size_t h = 0; h < 8; ++h) {
    scene.snapshot->heads[2][h].has_pattern = true;
    scene.snapshot->heads[2][h].strongest = HeadPattern::kSelf;
  }
  for (const Size size : {Size{1000, 700}, Size{420, 320}, Size{2200, 1200}}) {
    const FigureInput input = input_of(scene, size);
    const Figure figure = heads_figure(input);
    EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty()) << size.w;
    EXPECT_EQ(items_of<AttentionTile>(figure).size(), 48u);
    EXPECT_THAT(text_of(figure), HasSubstr("no pattern · "));
  }
}

TEST(Overview, OfAThousandHeadsStaysInsideItsPage) {
  const Scene scene = make_scene({.n_layers = 32, .n_heads = 32, .n_kv_heads = 8, .d_head = 2, .n_tokens = 5});
  for (const HeadGroup group : {HeadGroup::kLayers, HeadGroup::kPatterns}) {
    Scene shown = scene;
    shown.session.view.group = group;
    const FigureInput input = input_of(shown, {980, 640});
    const Figure figure = heads_figure(input);
    const std::vector<AttentionTile> tiles = items_of<AttentionTile>(figure);
    EXPECT_EQ(tiles.size(), 1024u);
    EXPECT_GE(tiles.front().rect.w, 10) << "still a picture";
    EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty());
  }
}

}  // namespace
}  // namespace headroom
