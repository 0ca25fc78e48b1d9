// The training plan as a part of the Session: chosen, changed, undone, written, set by single keys, and as a command.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/runs/plan_fields.h"
#include "core/session/reduce.h"
#include "core/session/session_json.h"
#include "core/session/train_text.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(SessionPlan, ARecipeIsItsWholePlan) {
  Session session;
  session.train.seed = 9;
  const Reduced chosen = reduce(session, RecipeChosen{"grammar"});
  EXPECT_EQ(chosen.session.train, settle(find_recipe("grammar").plan).plan);
  EXPECT_EQ(chosen.notice, "");
  const Reduced unknown = reduce(session, RecipeChosen{"no\xFFsuch"});
  EXPECT_EQ(unknown.session, session);
  EXPECT_THAT(unknown.notice, HasSubstr("no recipe"));
}

TEST(SessionPlan, ImpossibleFormsSnapWithTheirReason) {
  TrainPlan plan = Session{}.train;
  plan.form.n_heads = 3;  // 32 / 3 is no whole d_k
  const Reduced snapped = reduce({}, TrainPlanSet{plan});
  EXPECT_EQ(snapped.session.train.form.d_model % snapped.session.train.form.n_heads, 0);
  EXPECT_NE(snapped.notice, "");
  EXPECT_EQ(settle(snapped.session.train).plan, snapped.session.train);
}

TEST(SessionPlan, ComesBackFromAFileAndTellsWhatItDoesNotKnow) {
  Session session = reduce({}, RecipeChosen{"gqa"}).session;
  session.train.seed = 7;
  session.train.tokens = 123456;
  session.train.start = {.from = StartFrom::kModel, .model = "grammar-base", .at = {}, .pruned = {{0, 1}}};
  session = reduce({}, SessionReplaced{session}).session;
  const ParsedSession parsed = session_from_json(session_to_json(session));
  EXPECT_EQ(parsed.session, session);
  EXPECT_THAT(parsed.notices, IsEmpty());
  const ParsedSession odd = session_from_json(R"({"train": {"recipe": "grammar", "wings": 2}})");
  EXPECT_EQ(odd.session.train, settle(find_recipe("grammar").plan).plan);
  EXPECT_THAT(odd.notices, Contains(HasSubstr("wings")));
  try {
    session_from_json(R"({"train": {"form": {"n_heads": "many"}}})");
    FAIL() << "a word is no number of heads";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("form.n_heads"));
  }
}

TEST(SessionPlan, EveryFieldIsAKey) {
  const std::vector<std::string> keys = session_keys();
  for (const PlanField& field : plan_fields())
    EXPECT_THAT(keys, Contains("train." + field.path));
  Session session;
  const auto set = [&](std::string_view key, std::string_view value) { session = set_session_value(session, key, value).session; };
  set("train.recipe", "grammar");
  EXPECT_EQ(session.train, settle(find_recipe("grammar").plan).plan);
  set("train.form.n_heads", "4");
  set("train.form.positions", "learned");
  set("train.seed", "18446744073709551615");
  set("train.learning_rate", "0.003");
  set("train.start.at", "null");
  EXPECT_EQ(session.train.form.n_heads, 4);
  EXPECT_EQ(session.train.form.positions, PositionKind::kLearned);
  EXPECT_EQ(session.train.seed, ~std::uint64_t{0});
  EXPECT_EQ(session.train.learning_rate, 0.003);
  EXPECT_NE(set_session_value(session, "train.form.n_heads", "3").notice, "");
  EXPECT_THROW(set("train.form.kind", "sideways"), Error);
  EXPECT_THROW(set("train.recipe", "no such"), Error);
  try {
    set("train.form.n_head", "4");
    FAIL() << "there is no such key";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("train.form.n_heads"));
  }
}

TEST(SessionPlan, UndoSaysWhatChanged) {
  const TrainPlan plan = Session{}.train;
  const auto text = [&](auto change) {
    TrainPlan other = plan;
    change(other);
    return train_change_text(plan, other);
  };
  EXPECT_EQ(text([](TrainPlan& p) { p.form.n_heads = 8; }), "train with h = 8");
  EXPECT_EQ(text([](TrainPlan& p) { p.form.mlp = MlpUse::kOff; }), "train with no MLPs");
  EXPECT_EQ(text([](TrainPlan& p) { p.form.kind = ModelKind::kMasked; }), "train with a masked model");
  EXPECT_EQ(text([](TrainPlan& p) { p.tokens = 180000; }), "train on 180 k tokens");
  EXPECT_EQ(text([](TrainPlan& p) { p.data = {.kind = DataKind::kText, .path = "/a/story.txt"}; }), "train on the data text");
  EXPECT_EQ(text([](TrainPlan& p) {
              p.start = {.from = StartFrom::kModel, .model = "/m/big/", .at = {}, .pruned = {{0, 1}}};
            }),
            "train from big with 1 head removed");
  EXPECT_EQ(text([](TrainPlan& p) { p.start = {.from = StartFrom::kRun, .model = "", .at = 180000, .pruned = {}}; }),
            "train from the run at 180 k tokens");
  EXPECT_EQ(text([](TrainPlan& p) { p.seed = 3; }), "training seed 3");
  History history{Session{}};
  history.apply(RecipeChosen{"grammar"});
  EXPECT_EQ(history.undo_text(), "recipe grammar");
  history.undo();
  EXPECT_EQ(history.current(), Session{});
}

TEST(SessionPlan, TokensHaveThreeDigits) {
  EXPECT_EQ(short_tokens(0), "0");
  EXPECT_EQ(short_tokens(768), "768");
  EXPECT_EQ(short_tokens(9216), "9.2 k");
  EXPECT_EQ(short_tokens(180000), "180 k");
  EXPECT_EQ(short_tokens(1320000), "1.32 M");
  EXPECT_EQ(short_tokens(25000000), "25.0 M");
  EXPECT_EQ(short_tokens(999600), "1.00 M");
  EXPECT_EQ(short_tokens(2500000000), "2.50 G");
}

TEST(SessionPlan, ItsCommandIsTheRecipesWhereThatIsEnough) {
  TrainPlan plan = settle(find_recipe("agreement").plan).plan;
  EXPECT_EQ(train_command(plan).text, "headroom train --recipe agreement --out agreement");
  plan.tokens = 200000;
  plan.seed = 90;
  EXPECT_EQ(train_command(plan).text, "headroom train --recipe agreement --tokens 200000 --seed 90 --out agreement");
  EXPECT_FALSE(train_command(plan).needs_file);
  plan.form.n_heads = 2;
  EXPECT_TRUE(train_command(plan).needs_file);
  EXPECT_THAT(train_command(plan).text, HasSubstr("--config"));
  EXPECT_THAT(train_command(plan).text, Not(HasSubstr("--recipe")));
}

}  // namespace
}  // namespace headroom
