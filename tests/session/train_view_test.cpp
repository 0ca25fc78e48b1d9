// The Train stage's part of the Session: what actions do to it, that it is undone, and that it comes back from a file and the command line.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/session/reduce.h"
#include "core/session/session_json.h"
#include "core/tensor/error.h"
#include "core/training/network.h"

namespace headroom {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Session after(Session session, const std::vector<Action>& actions) {
  for (const Action& action : actions)
    session = reduce(session, action).session;
  return session;
}

TEST(TrainView, WatchesTheStoryOfTheTrueSubjectAtFirst) {
  const TrainView view = Session{}.train_view;
  EXPECT_EQ(view.sentence, "the cats near the dog were hungry .");
  EXPECT_FALSE(view.at) << "the newest state";
  EXPECT_FALSE(view.head);
}

TEST(TrainView, ALargeHeadIsTheChosenOne) {
  const Session opened = after({}, {TrainHeadOpened{{1, 2}}});
  EXPECT_EQ(opened.train_view.head, (HeadRef{1, 2}));
  EXPECT_EQ(opened.train_view.heads, TrainHeads::kOne);
  EXPECT_EQ(after(opened, {TrainHeadsSet{TrainHeads::kAll}}).train_view.head, (HeadRef{1, 2}));
  // Without a chosen head there is none to show large.
  EXPECT_EQ(after({}, {TrainHeadsSet{TrainHeads::kOne}}).train_view.heads, TrainHeads::kAll);
}

TEST(TrainView, AnotherStackHasOtherHeads) {
  const Session cross = after({}, {TrainHeadOpened{{1, 2}}, TrainStackSet{AttentionStack::kCross}});
  EXPECT_EQ(cross.train_view.stack, AttentionStack::kCross);
  EXPECT_FALSE(cross.train_view.head);
  EXPECT_EQ(cross.train_view.heads, TrainHeads::kAll);
  const Session same = after({}, {TrainHeadOpened{{1, 2}}, TrainStackSet{AttentionStack::kSelf}});
  EXPECT_TRUE(same.train_view.head);
}

TEST(TrainView, RolesAreHiddenAndShownAgain) {
  const Session hidden = after({}, {TrainRoleToggled{"subject"}, TrainRoleToggled{"copy"}});
  EXPECT_THAT(hidden.train_view.hidden_roles, ElementsAre("copy", "subject"));
  EXPECT_THAT(after(hidden, {TrainRoleToggled{"copy"}}).train_view.hidden_roles, ElementsAre("subject"));
  EXPECT_THAT(after({}, {TrainRoleToggled{"no role \xFF"}}).train_view.hidden_roles, IsEmpty());
}

TEST(TrainView, EscapeStepsBackFromTheDifferenceToAllHeads) {
  Session session = after({}, {StageViewSet{StageView::kTrain}, TrainHeadOpened{{1, 2}}, TrainTimeSet{180000},
                               TrainComparedSet{20000}, HeadSelected{{2, 6}}, ExperimentChosen{"heads"}});
  session = after(session, {SelectionReleased{}});
  EXPECT_EQ(session.train_view.experiment, "");
  EXPECT_EQ(session.train_view.compared, 20000);
  session = after(session, {SelectionReleased{}});
  EXPECT_FALSE(session.train_view.compared);
  EXPECT_EQ(session.train_view.heads, TrainHeads::kOne);
  session = after(session, {SelectionReleased{}});
  EXPECT_EQ(session.train_view.heads, TrainHeads::kAll);
  EXPECT_EQ(session.train_view.at, 180000);
  session = after(session, {SelectionReleased{}});
  EXPECT_FALSE(session.train_view.at);
  EXPECT_EQ(session.view.stage, StageView::kTrain);
  session = after(session, {SelectionReleased{}});
  EXPECT_EQ(session.view.stage, StageView::kHeads);
  EXPECT_EQ(session.view.head, (HeadRef{2, 6})) << "what is chosen elsewhere stays";
}

TEST(TrainView, EveryFieldComesBackFromAFile) {
  Session session;
  session.train_view = {.sentence = "the dogs run .",
                        .stack = AttentionStack::kEncoder,
                        .head = HeadRef{0, 3},
                        .heads = TrainHeads::kOne,
                        .at = 180000,
                        .compared = 0,
                        .hidden_roles = {"copy", "subject"},
                        .experiment = "heads",
                        .speed = 0.5};
  const std::string json = session_to_json(session);
  EXPECT_THAT(json, HasSubstr("\"train_view\": {"));
  const ParsedSession parsed = session_from_json(json);
  EXPECT_EQ(parsed.session.train_view, session.train_view);
  EXPECT_THAT(parsed.notices, IsEmpty());
}

TEST(TrainView, ValuesOutOfRangeAreBroughtIntoIt) {
  const ParsedSession parsed = session_from_json(
      R"({"train_view": {"speed": 7, "at": -1, "head": null, "heads": "one", "hidden_roles": ["a", "a", "Ä"], "experiment": "??"}})");
  const TrainView& view = parsed.session.train_view;
  EXPECT_EQ(view.speed, 1);
  EXPECT_FALSE(view.at);
  EXPECT_EQ(view.heads, TrainHeads::kAll);
  EXPECT_THAT(view.hidden_roles, ElementsAre("a"));
  EXPECT_EQ(view.experiment, "");
  ASSERT_EQ(parsed.notices.size(), 1u);
  EXPECT_THAT(parsed.notices[0], HasSubstr("speed"));
  Session session;
  session.train_view.sentence = std::string(3000, 'a');
  EXPECT_EQ(reduce({}, SessionReplaced{session}).session.train_view.sentence.size(), kMaxWatchedBytes);
}

TEST(TrainView, IsSetFromTheCommandLine) {
  Session session;
  const auto set = [&](std::string_view key, std::string_view value) { session = set_session_value(session, key, value).session; };
  set("train_view.sentence", "the dogs run .");
  set("train_view.head", "1.2");
  set("train_view.heads", "one");
  set("train_view.at", "180000");
  set("train_view.compared", "20000");
  set("train_view.hidden_roles", "subject,copy");
  set("train_view.speed", "0.25");
  set("view.stage", "train");
  EXPECT_EQ(session.train_view.sentence, "the dogs run .");
  EXPECT_EQ(session.train_view.head, (HeadRef{1, 2}));
  EXPECT_EQ(session.train_view.heads, TrainHeads::kOne);
  EXPECT_EQ(session.train_view.at, 180000);
  EXPECT_EQ(session.train_view.compared, 20000);
  EXPECT_THAT(session.train_view.hidden_roles, ElementsAre("copy", "subject"));
  EXPECT_EQ(session.train_view.speed, 0.25);
  EXPECT_EQ(session.view.stage, StageView::kTrain);
  set("train_view.at", "none");
  EXPECT_FALSE(session.train_view.at);
  EXPECT_THROW(set("train_view.at", "soon"), Error);
  EXPECT_THROW(set("train_view.stack", "sideways"), Error);
}

TEST(TrainView, EveryChangeIsUndoneByItsName) {
  const std::vector<Action> actions{WatchedSentenceSet{"the dogs run ."},
                                    TrainStackSet{AttentionStack::kEncoder},
                                    TrainHeadSelected{{0, 1}},
                                    TrainHeadsSet{TrainHeads::kOne},
                                    TrainTimeSet{5},
                                    TrainComparedSet{7},
                                    TrainRoleToggled{"copy"},
                                    ExperimentChosen{"heads"},
                                    TrainSpeedSet{0.5}};
  History history{Session{}};
  std::vector<Session> before;
  for (const Action& action : actions) {
    before.push_back(history.current());
    history.apply(action);
    EXPECT_NE(history.current(), before.back()) << action_text(action);
    EXPECT_NE(history.undo_text(), "");
  }
  while (!before.empty()) {
    history.undo();
    EXPECT_EQ(history.current(), before.back());
    before.pop_back();
  }
}

}  // namespace
}  // namespace headroom
