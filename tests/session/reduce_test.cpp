#include "core/session/reduce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/session/engine.h"
#include "core/session/validity.h"
#include "random_session.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using testing::expect_valid;
using ::testing::HasSubstr;
using testing::Random;

const ModelShape kGqa{4, 128, 8, 2, 16, 344, 367, 64};

Session after(Session session, std::initializer_list<Action> actions) {
  for (const Action& action : actions)
    session = reduce(session, action).session;
  return session;
}

TEST(Reduce, DefaultSessionIsTheBundledModelsShape) {
  const Session session;
  const ModelShape shape =
      read_model_shape(std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets" / "models" / session.compute.model);
  EXPECT_EQ(session.compute.trained, shape);
  EXPECT_EQ(session.compute.n_heads, shape.n_heads);
  EXPECT_EQ(session.compute.n_kv_heads, shape.n_kv_heads);
  EXPECT_EQ(session.compute.d_model, shape.d_model);
  EXPECT_EQ(session.compute.d_head(), shape.d_head);
  const Reduced same = reduce(session, SessionReplaced{session});
  EXPECT_EQ(same.session, session);
  EXPECT_EQ(same.notice, "");
}

TEST(Reduce, AnyActionsLeaveAValidSession) {
  Random random(1);
  for (int walk = 0; walk < 200; ++walk) {
    Session session;
    for (int step = 0; step < 60; ++step) {
      const Action action = testing::random_action(random);
      const Session before = session;
      const Reduced once = reduce(session, action);
      ASSERT_EQ(session, before);
      ASSERT_EQ(reduce(session, action).session, once.session) << "reduce must be pure";
      session = once.session;
      expect_valid(session);
      const Reduced again = reduce(session, SessionReplaced{session});
      ASSERT_EQ(again.session, session) << "a valid session must stay as it is";
      ASSERT_EQ(again.notice, "");
      if (::testing::Test::HasFailure()) FAIL() << "walk " << walk << " step " << step << ": " << action_text(action);
    }
  }
}

TEST(Reduce, HeadsSnapAndTakeKvHeadsAlong) {
  Session s = after({}, {HeadsCountSet{4}});
  EXPECT_EQ(s.compute.n_heads, 4);
  EXPECT_EQ(s.compute.n_kv_heads, 4) << "MHA stays MHA";
  EXPECT_EQ(s.compute.d_head(), 32);
  s = after({}, {KvHeadsSet{2}, HeadsCountSet{16}});
  EXPECT_EQ(s.compute.n_heads, 16);
  EXPECT_EQ(s.compute.n_kv_heads, 2);
  const Reduced snapped = reduce({}, HeadsCountSet{7});
  EXPECT_EQ(snapped.session.compute.n_heads, 8);
  EXPECT_THAT(snapped.notice, HasSubstr("whole"));
  EXPECT_EQ(reduce({}, KvHeadsSet{3}).session.compute.n_kv_heads, 2);
  EXPECT_NE(reduce({}, KvHeadsSet{3}).notice, "");
  EXPECT_EQ(reduce({}, KvHeadsSet{4}).notice, "");
}

TEST(Reduce, AnotherHRestoresPrunedHeads) {
  const Session pruned = after({}, {HeadPruneToggled{{2, 3}}, HeadPruneToggled{{0, 1}}, HeadPruneToggled{{3, 7}}});
  EXPECT_THAT(pruned.compute.pruned, ElementsAre(HeadRef{0, 1}, HeadRef{2, 3}, HeadRef{3, 7}));
  const Reduced other = reduce(pruned, HeadsCountSet{4});
  EXPECT_TRUE(other.session.compute.pruned.empty());
  EXPECT_THAT(other.notice, HasSubstr("3 pruned heads were restored: with another h the heads are others."));
  EXPECT_EQ(reduce(pruned, KvHeadsSet{2}).session.compute.pruned, pruned.compute.pruned);
  EXPECT_EQ(reduce(pruned, HeadsCountSet{8}).session, pruned);
}

TEST(Reduce, PruningTogglesAndIgnoresMissingHeads) {
  const Session once = after({}, {HeadPruneToggled{{1, 2}}});
  EXPECT_EQ(after(once, {HeadPruneToggled{{1, 2}}}), Session{});
  const Reduced missing = reduce(once, HeadPruneToggled{{4, 0}});
  EXPECT_EQ(missing.session, once);
  EXPECT_THAT(missing.notice, HasSubstr("no head L4 H0"));
  EXPECT_TRUE(after(once, {PruningCleared{}}).compute.pruned.empty());
}

TEST(Reduce, AnotherWidthBecomesLab) {
  const Reduced lab = reduce({}, DModelSet{64});
  EXPECT_EQ(lab.session.compute.parameters, ParameterSource::kLab);
  EXPECT_EQ(lab.session.compute.d_model, 64);
  EXPECT_EQ(lab.session.compute.n_heads, 8);
  EXPECT_EQ(
      lab.notice,
      "d_model = 64 needs other parameters: this is a seeded random (untrained) model; Reset shape returns to the trained one.");
  const Session back = after(lab.session, {DModelSet{128}});
  EXPECT_EQ(back.compute.parameters, ParameterSource::kLab) << "the same width again is still the lab";
  EXPECT_EQ(after(back, {HeadsCountSet{4}, ShapeReset{}}).compute, Compute{});
  EXPECT_EQ(after(back, {ParameterSourceSet{ParameterSource::kTrained}}), Session{});
  EXPECT_EQ(reduce({}, DModelSet{128}).session, Session{});
  EXPECT_EQ(reduce({}, DModelSet{-5}).session.compute.d_model, 8);
  EXPECT_EQ(reduce({}, DModelSet{1 << 30}).session.compute.d_model, 4096);
}

TEST(Reduce, OpeningAModelKeepsTextMaskAndLook) {
  Session s = after({}, {TextEdited{"a dog"}, DirectionSet{Direction::kBidirectional}, ColorMapSet{ColorMapName::kMagma},
                         HeadsCountSet{4}, HeadPruneToggled{{1, 1}}, HeadOpened{{1, 1}}, CellSelected{3, 2}});
  s = after(s, {ModelOpened{ModelSource::kBundled, "grammar-gqa", kGqa}});
  EXPECT_EQ(s.compute.text, "a dog");
  EXPECT_EQ(s.compute.mask.direction, Direction::kBidirectional);
  EXPECT_EQ(s.view.colormap, ColorMapName::kMagma);
  EXPECT_EQ(s.compute.n_heads, 8);
  EXPECT_EQ(s.compute.n_kv_heads, 2);
  EXPECT_EQ(s.compute.trained, kGqa);
  EXPECT_TRUE(s.compute.pruned.empty());
  EXPECT_FALSE(s.view.head || s.view.query || s.view.key);
  EXPECT_EQ(s.view.stage, StageView::kHeads);
  ModelShape broken = kGqa;
  broken.n_kv_heads = 3;
  const Reduced refused = reduce(s, ModelOpened{ModelSource::kFolder, "/x", broken});
  EXPECT_EQ(refused.session, s);
  EXPECT_THAT(refused.notice, HasSubstr("n_kv_heads"));
}

TEST(Reduce, PatternNumbersAreClamped) {
  MaskPattern pattern;
  pattern.kind = PatternKind::kLocalWindow;
  pattern.window = 0;
  pattern.stride = 5000;
  pattern.n_global = -1;
  pattern.block = 1000;
  pattern.blocks_per_row = 17;
  const Reduced reduced = reduce({}, PatternSet{pattern});
  const MaskPattern& p = reduced.session.compute.mask.pattern;
  EXPECT_EQ(p.kind, PatternKind::kLocalWindow);
  EXPECT_EQ(p.window, 1);
  EXPECT_EQ(p.stride, 4096);
  EXPECT_EQ(p.n_global, 0);
  EXPECT_EQ(p.block, 256);
  EXPECT_EQ(p.blocks_per_row, 16);
  for (const char* name : {"window", "stride", "n_global", "block", "blocks_per_row"})
    EXPECT_THAT(reduced.notice, HasSubstr(name));
}

TEST(Reduce, SelectionStepsBack) {
  Session nothing_chosen;
  nothing_chosen.view.head.reset();
  nothing_chosen.view.query.reset();
  Session s = after({}, {HeadOpened{{2, 6}}, CellSelected{5, 3}});
  EXPECT_EQ(s.view.stage, StageView::kHead);
  s = after(s, {SelectionReleased{}});
  EXPECT_FALSE(s.view.key);
  EXPECT_EQ(s.view.query, 5);
  s = after(s, {SelectionReleased{}});
  EXPECT_FALSE(s.view.query);
  EXPECT_EQ(s.view.stage, StageView::kHead);
  s = after(s, {SelectionReleased{}});
  EXPECT_EQ(s.view.stage, StageView::kHeads);
  EXPECT_EQ(s.view.head, (HeadRef{2, 6}));
  s = after(s, {SelectionReleased{}});
  EXPECT_EQ(s, nothing_chosen);
  EXPECT_EQ(after(s, {SelectionReleased{}}), nothing_chosen);
}

TEST(Reduce, TheSpeedStageIsLeftAtOnceAndForgetsNothing) {
  const Session chosen = after({}, {HeadOpened{{2, 6}}, CellSelected{5, 3}, StageViewSet{StageView::kSpeed}});
  EXPECT_EQ(chosen.view.stage, StageView::kSpeed);
  const Session left = after(chosen, {SelectionReleased{}});
  EXPECT_EQ(left.view.stage, StageView::kHeads);
  EXPECT_EQ(left.view.head, (HeadRef{2, 6}));
  EXPECT_EQ(left.view.query, 5);
  EXPECT_EQ(left.view.key, 3);
  EXPECT_EQ(after(chosen, {HeadsCountSet{4}}).view.stage, StageView::kSpeed) << "another shape is what it compares";
}

TEST(Reduce, AQueryReleasesTheKey) {
  const Session s = after({}, {CellSelected{5, 3}, QuerySelected{4}});
  EXPECT_EQ(s.view.query, 4);
  EXPECT_FALSE(s.view.key);
}

TEST(Reduce, TheHeadStageAlwaysHasAHead) {
  Session nothing_chosen;
  nothing_chosen.view.head.reset();
  EXPECT_EQ(after(nothing_chosen, {StageViewSet{StageView::kHead}}).view.head, (HeadRef{0, 0}));
  const Session lost = after({}, {HeadOpened{{0, 7}}, HeadsCountSet{4}});
  EXPECT_FALSE(lost.view.head);
  EXPECT_EQ(lost.view.stage, StageView::kHeads);
}

TEST(Reduce, EditingTheTextForgetsRowAndColumnButNotTheHead) {
  const Session chosen = after({}, {HeadSelected{{1, 2}}, CellSelected{9, 3}});
  const Session edited = after(chosen, {TextEdited{"short"}});
  EXPECT_FALSE(edited.view.query || edited.view.key) << "they were words of the other sentence";
  EXPECT_EQ(edited.view.head, (HeadRef{1, 2}));
  EXPECT_EQ(after(chosen, {TextEdited{chosen.compute.text}}), chosen);
}

TEST(Reduce, ALongTextIsCutBetweenCharacters) {
  std::string text(kMaxTextBytes - 1, 'a');
  text += "é and more";
  const Reduced reduced = reduce({}, TextEdited{text});
  EXPECT_EQ(reduced.session.compute.text.size(), kMaxTextBytes - 1);
  EXPECT_THAT(reduced.notice, HasSubstr("cut"));
}

TEST(ActionText, IsShortAndHuman) {
  EXPECT_EQ(action_text(TextEdited{"x"}), "edit the sentence");
  EXPECT_EQ(action_text(KvHeadsSet{4}), "kv_heads = 4");
  EXPECT_EQ(action_text(HeadPruneToggled{{2, 3}}), "prune L2 H3");
  EXPECT_EQ(action_text(ModelOpened{ModelSource::kFolder, "/a/b/tiny-model/", {}}), "open tiny-model");
  Session pruned;
  pruned.compute.pruned = {{2, 3}};
  EXPECT_EQ(action_text(pruned, HeadPruneToggled{{2, 3}}), "restore L2 H3");
  EXPECT_EQ(action_text(pruned, HeadPruneToggled{{2, 2}}), "prune L2 H2");
  Random random(3);
  for (std::size_t i = 0; i < std::variant_size_v<Action>; ++i) {
    const std::string text = action_text(testing::random_action(random, i));
    EXPECT_GT(text.size(), 3u) << i;
    EXPECT_LT(text.size(), 60u) << i;
    EXPECT_EQ(text.find('_') != std::string::npos, i == 3 || i == 4) << text << ": only kv_heads and d_model have underscores";
  }
}

}  // namespace
}  // namespace headroom
