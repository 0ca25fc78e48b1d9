#include "core/session/held_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "computer_fixture.h"
#include "core/formats/model_folder.h"

namespace headroom {
namespace {

using testing::session_after;

HeldOutLoss loss_of(Computer& computer, const Session& session) {
  const auto snapshot = computer.add_held_out_loss(computer.compute(session.compute, 1));
  return snapshot->held_out.value();
}

TEST(HeldOut, TheTextIsTwoHundredRowsOfSixtyFour) {
  const auto tokenizer = load_tokenizer(testing::assets() / "models" / "grammar-base" / "tokenizer.json");
  const auto text = read_held_out_text(testing::assets(), *tokenizer);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->rows.size(), 200u);
  for (const auto& row : text->rows) {
    ASSERT_EQ(row.size(), 64u);
    EXPECT_EQ(row[0], 0) << "each begins with <bos>";
    for (const std::int32_t id : row)
      EXPECT_NE(id, 1) << "no word of it is unknown";
  }
  EXPECT_EQ(text->n_tokens, 200 * 63);
  EXPECT_DOUBLE_EQ(text->floor, 1.3896);
}

TEST(HeldOut, BundledModelsHaveTheirTrainedLoss) {
  Computer computer(testing::options());
  const HeldOutLoss base = loss_of(computer, {});
  std::printf("held-out loss of grammar-base: %.4f\n", base.before);
  EXPECT_NEAR(base.before, 1.5301, 5e-4);
  EXPECT_EQ(base.after, base.before);
  EXPECT_EQ(base.n_tokens, 12600);
  EXPECT_GT(base.before, base.floor);
  const Session gqa = session_after(
      {ModelOpened{ModelSource::kBundled, "grammar-gqa", read_model_shape(testing::assets() / "models" / "grammar-gqa")}});
  EXPECT_NEAR(loss_of(computer, gqa).before, 1.5036, 5e-4);
}

TEST(HeldOut, WhatHurtsIsMeasuredAndRemembered) {
  Computer computer(testing::options());
  const double before = loss_of(computer, {}).before;
  EXPECT_EQ(computer.counters().losses, 1);
  const HeldOutLoss pooled = loss_of(computer, session_after({KvHeadsSet{4}}));
  EXPECT_EQ(pooled.before, before);
  EXPECT_GT(pooled.after, before + 0.1) << "mean-pooling K/V heads hurts until it is healed";
  EXPECT_EQ(computer.counters().losses, 2);
  const HeldOutLoss sliced = loss_of(computer, session_after({HeadsCountSet{4}}));
  EXPECT_GT(sliced.after, pooled.after) << "slicing anew under rotary positions breaks the model";
  const HeldOutLoss pruned = loss_of(computer, session_after({HeadPruneToggled{{0, 0}}}));
  EXPECT_NE(pruned.after, before);
  EXPECT_EQ(computer.counters().losses, 4);
  std::printf("held-out loss: %.3f; kv_heads 4: %.3f; h 4: %.3f; L0 H0 pruned: %.3f\n", before, pooled.after, sliced.after,
              pruned.after);
  EXPECT_EQ(loss_of(computer, session_after({KvHeadsSet{4}, TextEdited{"another text"}})).after, pooled.after);
  EXPECT_EQ(loss_of(computer, session_after({KvHeadsSet{4}, BackendSet{BackendChoice::kNaive}})).after, pooled.after);
  EXPECT_EQ(computer.counters().losses, 4) << "neither the text nor the backend changes a loss";
}

TEST(HeldOut, AnUntrainedModelKnowsNothing) {
  Computer computer(testing::options());
  const HeldOutLoss lab = loss_of(computer, session_after({DModelSet{64}}));
  EXPECT_EQ(lab.before, lab.after);
  EXPECT_GT(lab.before, std::log(367.0) - 0.7);
  EXPECT_LT(lab.before, std::log(367.0) + 3);
}

TEST(HeldOut, AVocabularyWithoutTheWordsIsNotMeasured) {
  const testing::ModelCopy copy("grammar-base");
  {
    // The same tokenizer with one word of the text spelled otherwise.
    std::ifstream in(copy.path() / "tokenizer.json", std::ios::binary);
    std::string json((std::istreambuf_iterator<char>(in)), {});
    const std::string word = "\"woman\"";
    ASSERT_NE(json.find(word), std::string::npos);
    json.replace(json.find(word), word.size(), "\"queen\"");
    std::ofstream(copy.path() / "tokenizer.json", std::ios::binary) << json;
  }
  Computer computer(testing::options());
  const auto snapshot = computer.compute(copy.compute(), 1);
  EXPECT_EQ(computer.add_held_out_loss(snapshot), snapshot);
  EXPECT_EQ(computer.counters().losses, 0);
}

}  // namespace
}  // namespace headroom
