#include "core/figure/heads_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headroom {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Three layers of four heads: head 1 of each layer is "previous token", 2.0 is "self", 0.3 is pruned; entropies fall with the number.
HeadsMetrics made_up() {
  HeadsMetrics heads(3, std::vector<HeadMetrics>(4));
  for (std::size_t l = 0; l < 3; ++l) {
    for (std::size_t h = 0; h < 4; ++h) {
      HeadMetrics& m = heads[l][h];
      m.entropy = 3.0 - 0.2 * static_cast<double>(4 * l + h);
      m.relative_entropy = m.entropy / 4;
      m.scores = {0.1, 0.2, 0.05, 0.3};
      m.strongest = HeadPattern::kBroadcast;
    }
    heads[l][1].scores[0] = 0.6 + 0.1 * static_cast<double>(l);
    heads[l][1].has_pattern = true;
    heads[l][1].strongest = HeadPattern::kPreviousToken;
  }
  heads[2][0].has_pattern = true;
  heads[2][0].strongest = HeadPattern::kSelf;
  heads[2][0].scores[2] = 0.9;
  heads[0][3] = {.is_pruned = true};
  return heads;
}

std::vector<HeadRef> found_by(const std::string& search) {
  View view;
  view.head_search = search;
  const HeadsOrder order = order_heads(view, made_up());
  EXPECT_EQ(order.problem, "") << search;
  return order.heads();
}

TEST(HeadsOrder, AllInTheModelsOrderAreAGrid) {
  const HeadsOrder order = order_heads(View{}, made_up());
  EXPECT_TRUE(order.is_grid);
  EXPECT_EQ(order.n_shown, 12u);
  EXPECT_EQ(order.n_all, 12u);
  ASSERT_EQ(order.groups.size(), 1u);
  EXPECT_EQ(order.groups[0].title, "");
  EXPECT_EQ(order.heads().at(5), (HeadRef{1, 1}));
}

TEST(HeadsOrder, SearchNamesLayersHeadsPatternsAndScores) {
  EXPECT_THAT(found_by("L1"), ElementsAre(HeadRef{1, 0}, HeadRef{1, 1}, HeadRef{1, 2}, HeadRef{1, 3}));
  EXPECT_THAT(found_by("l0-1 H2"), ElementsAre(HeadRef{0, 2}, HeadRef{1, 2}));
  EXPECT_THAT(found_by("2.3"), ElementsAre(HeadRef{2, 3}));
  EXPECT_THAT(found_by("prev"), ElementsAre(HeadRef{0, 1}, HeadRef{1, 1}, HeadRef{2, 1}));
  EXPECT_THAT(found_by("previous>0.65, L1-2"), ElementsAre(HeadRef{1, 1}, HeadRef{2, 1}));
  EXPECT_THAT(found_by("entropy<=0.2"), ElementsAre(HeadRef{2, 3}));
  EXPECT_THAT(found_by("pruned"), ElementsAre(HeadRef{0, 3}));
  EXPECT_EQ(found_by("unnamed").size(), 7u) << "12 heads, 4 named, 1 pruned";
  EXPECT_THAT(found_by("L9"), IsEmpty());
}

TEST(HeadsOrder, AWordThatSaysNothingIsTold) {
  View view;
  view.head_search = "L1 bananas";
  const HeadsOrder order = order_heads(view, made_up());
  EXPECT_THAT(order.problem, HasSubstr("\"bananas\" names no heads"));
  EXPECT_EQ(order.n_shown, 4u) << "the other word still counts";
  for (const char* nonsense : {"L", "L1-", "L-1", "1.", "previous>", ">0.5", "entropy<x", "\xFF\x01"}) {
    view.head_search = nonsense;
    EXPECT_NE(order_heads(view, made_up()).problem, "") << nonsense;
  }
}

TEST(HeadsOrder, FiltersByWhatNamesAHead) {
  View view;
  view.named = View::Named::kNamed;
  HeadsOrder order = order_heads(view, made_up());
  EXPECT_THAT(order.heads(), ElementsAre(HeadRef{0, 1}, HeadRef{1, 1}, HeadRef{2, 0}, HeadRef{2, 1}));
  EXPECT_FALSE(order.is_grid);
  view.named = View::Named::kPattern;
  view.pattern = HeadPattern::kSelf;
  order = order_heads(view, made_up());
  EXPECT_THAT(order.heads(), ElementsAre(HeadRef{2, 0}));
}

TEST(HeadsOrder, GroupsByPatternStrongestFirstInEach) {
  View view;
  view.group = HeadGroup::kPatterns;
  view.sort = HeadSort::kPreviousToken;
  const HeadsOrder order = order_heads(view, made_up());
  std::vector<std::string> titles;
  std::size_t n = 0;
  for (const HeadsGroup& group : order.groups) {
    titles.push_back(group.title);
    n += group.heads.size();
  }
  EXPECT_THAT(titles, ElementsAre("previous token · 3 heads", "self · 1 head", "no pattern · 7 heads", "pruned · 1 head"));
  EXPECT_THAT(order.groups[0].heads, ElementsAre(HeadRef{2, 1}, HeadRef{1, 1}, HeadRef{0, 1}));
  EXPECT_EQ(n, order.n_shown);
}

TEST(HeadsOrder, SortsPrunedHeadsLast) {
  View view;
  view.sort = HeadSort::kEntropy;
  const std::vector<HeadRef> order = order_heads(view, made_up()).heads();
  EXPECT_EQ(order.front(), (HeadRef{2, 3}));
  EXPECT_EQ(order.back(), (HeadRef{0, 3}));
}

}  // namespace
}  // namespace headroom
