#include <gtest/gtest.h>

#include "core/session/reduce.h"
#include "random_session.h"

namespace headroom {
namespace {

TEST(History, UndoAndRedoWalkThroughSessions) {
  testing::Random random(7);
  History history{Session{}};
  std::vector<Session> seen{history.current()};
  for (int i = 0; i < 300; ++i) {
    history.apply(testing::random_action(random));
    if (!(history.current() == seen.back())) seen.push_back(history.current());
  }
  ASSERT_GT(seen.size(), 100u);
  EXPECT_FALSE(history.can_redo());
  for (std::size_t i = seen.size(); i-- > 0;) {
    ASSERT_EQ(history.current(), seen[i]);
    EXPECT_EQ(history.can_undo(), i > 0);
    history.undo();
  }
  for (std::size_t i = 0; i < seen.size(); ++i) {
    ASSERT_EQ(history.current(), seen[i]);
    history.redo();
  }
  ASSERT_EQ(history.current(), seen.back());
}

TEST(History, SaysWhatItWouldUndo) {
  History history{Session{}};
  EXPECT_EQ(history.undo_text(), "");
  history.apply(HeadPruneToggled{{2, 3}});
  EXPECT_EQ(history.undo_text(), "prune L2 H3");
  history.apply(HeadPruneToggled{{2, 3}});
  EXPECT_EQ(history.undo_text(), "restore L2 H3");
  history.undo();
  EXPECT_EQ(history.undo_text(), "prune L2 H3");
  EXPECT_EQ(history.redo_text(), "restore L2 H3");
}

TEST(History, ADragIsOneStep) {
  History history{Session{}};
  for (const std::int64_t kv : {4, 2, 1})
    history.apply(KvHeadsSet{kv}, "kv_heads");
  history.apply(TextEdited{"a"}, "text");
  history.apply(TextEdited{"ab"}, "text");
  EXPECT_EQ(history.current().compute.text, "ab");
  history.undo();
  EXPECT_EQ(history.current().compute.text, Session{}.compute.text);
  EXPECT_EQ(history.current().compute.n_kv_heads, 1);
  history.undo();
  EXPECT_EQ(history.current(), Session{});
  EXPECT_FALSE(history.can_undo());
}

TEST(History, UndoEndsAGroup) {
  History history{Session{}};
  history.apply(KvHeadsSet{4}, "kv_heads");
  history.apply(TextEdited{"a"}, "text");
  history.undo();
  history.apply(KvHeadsSet{2}, "kv_heads");  // a new drag, though the step before has the same group
  EXPECT_FALSE(history.can_redo());
  history.undo();
  EXPECT_EQ(history.current().compute.n_kv_heads, 4);
}

TEST(History, RedoEndsAGroup) {
  History history{Session{}};
  history.apply(KvHeadsSet{4}, "kv_heads");
  history.undo();
  history.redo();
  history.apply(KvHeadsSet{2}, "kv_heads");
  history.undo();
  EXPECT_EQ(history.current().compute.n_kv_heads, 4);
}

TEST(History, WithoutAGroupNothingMerges) {
  History history{Session{}};
  history.apply(KvHeadsSet{4});
  history.apply(KvHeadsSet{2});
  history.undo();
  EXPECT_EQ(history.current().compute.n_kv_heads, 4);
}

TEST(History, NothingChangedIsNoStep) {
  History history{Session{}};
  history.apply(KvHeadsSet{8});
  EXPECT_FALSE(history.can_undo());
  history.apply(KvHeadsSet{4}, "kv_heads");
  history.apply(KvHeadsSet{8}, "kv_heads");
  EXPECT_FALSE(history.can_undo()) << "dragged back to where it began";
  history.apply(ColorMapSet{ColorMapName::kGrey});
  EXPECT_TRUE(history.can_undo()) << "how it is looked at can be undone too";
  history.undo();
  EXPECT_TRUE(history.can_redo());
  EXPECT_NE(history.apply(HeadPruneToggled{{99, 0}}), "");
  EXPECT_TRUE(history.can_redo()) << "an action that changes nothing keeps what can be redone";
}

TEST(History, KeepsFiveHundredSteps) {
  History history{Session{}};
  for (std::uint64_t i = 1; i <= 700; ++i)
    history.apply(LabSeedSet{i + 1});
  int steps = 0;
  while (history.can_undo()) {
    history.undo();
    ++steps;
  }
  EXPECT_EQ(steps, 500);
  EXPECT_EQ(history.current().compute.lab_seed, 201u);
}

TEST(History, LongTextsDoNotFillTheMemory) {
  History history{Session{}};
  for (int i = 0; i < 30; ++i)
    history.apply(TextEdited{std::string(4u << 20, static_cast<char>('a' + i % 26))});
  int steps = 0;
  while (history.can_undo()) {
    history.undo();
    ++steps;
  }
  EXPECT_EQ(steps, 15) << "sixteen texts of 4 MiB in 64 MiB";
}

}  // namespace
}  // namespace headroom
