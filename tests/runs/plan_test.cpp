#include "core/runs/plan.h"

#include <cmath>

#include "core/formats/save_model.h"
#include "core/training/layout.h"
#include "tests/runs/testing.h"

namespace headroom {
namespace {

using test::message_of;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Every field away from its default, and possible.
TrainPlan unusual_plan() {
  TrainPlan plan;
  plan.recipe = "grammar";
  plan.form = {.kind = ModelKind::kCausal,
               .positions = PositionKind::kRotary,
               .n_layers = 3,
               .d_model = 48,
               .n_heads = 6,
               .n_kv_heads = 3,
               .mlp = MlpUse::kOff};
  plan.data = {.kind = DataKind::kText,
               .path = "a \"book\".txt",
               .vocabulary = 777,
               .min_period = 5,
               .max_period = 20,
               .stories = 0.25,
               .lists = 3.0,
               .quotes = std::nullopt,
               .weights = {{"sentence", "copula", 2.5}},
               .unknown_share = 0.125,
               .hidden_share = 0.25};
  plan.start = {.from = StartFrom::kModel, .model = "grammar-base", .at = std::nullopt, .pruned = {{0, 1}, {2, 5}}};
  plan.teacher = {.model = "teacher", .weight = 0.5, .temperature = 3};
  plan.tokens = 12345;
  plan.row_length = 40;
  plan.rows_per_step = 7;
  plan.accumulation = 3;
  plan.learning_rate = 0.0123;
  plan.final_share = 0.1;
  plan.warmup_steps = 17;
  plan.weight_decay = 0.2;
  plan.beta2 = 0.95;
  plan.clip_norm = 0.5;
  plan.seed = 0xFFFFFFFFFFFFFFFFu;
  return plan;
}

TEST(Plan, ComesBackFromItsJson) {
  for (const RecipeInfo& recipe : recipes()) {
    const ParsedPlan parsed = plan_from_json(plan_to_json(recipe.plan));
    EXPECT_EQ(parsed.plan, recipe.plan) << recipe.name;
    EXPECT_THAT(parsed.notices, IsEmpty()) << recipe.name;
  }
  const ParsedPlan parsed = plan_from_json(plan_to_json(unusual_plan()));
  EXPECT_EQ(parsed.plan, unusual_plan());
  EXPECT_THAT(parsed.notices, IsEmpty());
  TrainPlan of_run;
  of_run.start = {.from = StartFrom::kRun, .model = "", .at = 4800, .pruned = {}};
  EXPECT_EQ(plan_from_json(plan_to_json(of_run)).plan, of_run);
}

TEST(Plan, TakesWhatAFileDoesNotSayFromItsRecipe) {
  const ParsedPlan parsed = plan_from_json(R"({"recipe": "induction", "seed": 4})");
  TrainPlan expected = find_recipe("induction").plan;
  expected.seed = 4;
  EXPECT_EQ(parsed.plan, expected);
  EXPECT_EQ(plan_from_json("{}").plan, TrainPlan{});
}

TEST(Plan, TellsUnknownFieldsAndGoesOn) {
  const ParsedPlan parsed = plan_from_json(R"({"tokens": 9999, "froth": 1, "form": {"n_head": 3, "n_layers": 1}})");
  EXPECT_EQ(parsed.plan.tokens, 9999);
  EXPECT_EQ(parsed.plan.form.n_layers, 1);
  EXPECT_THAT(parsed.notices, Contains(HasSubstr("froth")));
  EXPECT_THAT(parsed.notices, Contains(HasSubstr("form.n_head ")));
  EXPECT_EQ(parsed.notices.size(), 2u);
}

TEST(Plan, RefusesWrongJsonInOneSentence) {
  const auto said = [](const char* json) { return message_of([&] { plan_from_json(json); }); };
  EXPECT_THAT(said(R"({"tokens": "many"})"), HasSubstr("the plan's field tokens holds \"many\"; it takes a whole number"));
  EXPECT_THAT(said(R"({"form": {"kind": "gpt"}})"), HasSubstr("it takes one of \"causal\", \"masked\", \"encoder_decoder\""));
  EXPECT_THAT(said(R"({"form": 3})"), HasSubstr("the plan's field form holds 3; it takes an object"));
  EXPECT_THAT(said(R"({"start": {"pruned": ["1"]}})"), HasSubstr("layer.head"));
  EXPECT_THAT(said(R"({"seed": -1})"), HasSubstr("from 0 to 2^64 - 1"));
  EXPECT_THAT(said(R"({"recipe": "agremeent"})"), HasSubstr("the nearest is \"agreement\""));
  EXPECT_THAT(said(R"({"version": 99})"), HasSubstr("newer version"));
  EXPECT_THAT(said("[]"), HasSubstr("it takes an object"));
  EXPECT_THAT(said("{"), HasSubstr("byte"));
}

TEST(Plan, ValuesAreSetAsAPersonWritesThem) {
  TrainPlan expected;
  expected.form.n_kv_heads = 2;
  EXPECT_EQ(set_plan_value(TrainPlan{}, "form.n_kv_heads", "2"), expected);
  EXPECT_EQ(set_plan_value(TrainPlan{}, "data.kind", "letters").data.kind, DataKind::kLetters);
  EXPECT_EQ(set_plan_value(TrainPlan{}, "data.path", "12").data.path, "12");
  EXPECT_EQ(set_plan_value(TrainPlan{}, "data.lists", "0.5").data.lists, 0.5);
  EXPECT_THAT(message_of([] { set_plan_value({}, "form.n_kv_head", "2"); }), HasSubstr("the nearest is \"form.n_kv_heads\""));
  EXPECT_THAT(message_of([] { set_plan_value({}, "tokens", "2.5"); }), HasSubstr("a whole number"));
}

TEST(Plan, EveryRecipeIsPossibleAndCanBeSaved) {
  for (const RecipeInfo& recipe : recipes()) {
    const SettledPlan settled = settle(recipe.plan);
    EXPECT_EQ(settled.plan, recipe.plan) << recipe.name;
    EXPECT_THAT(settled.reasons, IsEmpty()) << recipe.name;
    const ModelConfig config = model_config(recipe.plan.form, 400, recipe.plan.row_length);
    EXPECT_EQ(find_family_problem(config), "") << recipe.name;
    EXPECT_GT(ParameterLayout(config).n_parameters(), 1000) << recipe.name;
    EXPECT_EQ(recipe.plan.recipe, recipe.name);
  }
  EXPECT_THAT(message_of([] { find_recipe("gramar"); }), HasSubstr("the nearest is \"grammar\""));
}

TEST(Plan, SnapsImpossibleShapesAndSaysWhy) {
  TrainPlan plan;
  plan.form.d_model = 30;
  plan.form.n_heads = 5;
  plan.form.n_kv_heads = 3;
  plan.form.n_layers = 0;
  const SettledPlan settled = settle(plan);
  EXPECT_EQ(settled.plan.form.d_model, 32);
  EXPECT_EQ(settled.plan.form.n_heads, 4);
  EXPECT_EQ(settled.plan.form.n_kv_heads, 2);
  EXPECT_EQ(settled.plan.form.n_layers, 1);
  EXPECT_THAT(settled.reasons, Contains(HasSubstr("h = 5 does not divide 32")));
  EXPECT_THAT(settled.reasons, Contains(HasSubstr("kv_heads = 3 does not divide h = 4")));
  EXPECT_EQ(settled.reasons.size(), 4u);
  EXPECT_THAT(settle(settled.plan).reasons, IsEmpty());
  EXPECT_NO_THROW(ParameterLayout(model_config(settled.plan.form, 10, 8)));
}

TEST(Plan, HoldsToWhatEachArchitectureIs) {
  TrainPlan learned = find_recipe("gqa").plan;
  learned.form.positions = PositionKind::kLearned;
  const SettledPlan gpt2 = settle(learned);
  EXPECT_EQ(gpt2.plan.form.n_kv_heads, gpt2.plan.form.n_heads);
  EXPECT_THAT(gpt2.reasons, Contains(HasSubstr("GPT-2")));
  TrainPlan masked;
  masked.form.kind = ModelKind::kMasked;
  EXPECT_EQ(settle(masked).plan.form.positions, PositionKind::kLearned);
  TrainPlan both;
  both.form.kind = ModelKind::kEncoderDecoder;
  EXPECT_EQ(settle(both).plan.data.kind, DataKind::kTranslation);
  TrainPlan translation;
  translation.data.kind = DataKind::kTranslation;
  EXPECT_EQ(settle(translation).plan.data.kind, DataKind::kGrammar);
}

TEST(Plan, BringsNumbersIntoRangeWhateverTheyAre) {
  TrainPlan plan;
  plan.tokens = -5;
  plan.row_length = 1'000'000;
  plan.rows_per_step = 0;
  plan.learning_rate = std::nan("");
  plan.data.vocabulary = 10;
  plan.data.stories = plan.data.lists = plan.data.quotes = 0;
  plan.start.pruned = {{9, 9}, {0, 0}};
  const TrainPlan settled = settle(plan).plan;
  EXPECT_EQ(settled.tokens, 1);
  EXPECT_EQ(settled.row_length, 1024);
  EXPECT_EQ(settled.rows_per_step, 1);
  EXPECT_GT(settled.learning_rate, 0);
  EXPECT_EQ(settled.data.vocabulary, 258);
  EXPECT_FALSE(settled.data.stories);
  EXPECT_EQ(settled.start.pruned, (std::vector<HeadRef>{{0, 0}}));
  EXPECT_THAT(settle(settled).reasons, IsEmpty());
}

TEST(Schedule, RisesAndThenFollowsACosine) {
  TrainPlan plan;
  plan.learning_rate = 0.01;
  plan.warmup_steps = 10;
  plan.final_share = 0.02;
  plan.tokens = 100'000;
  const auto cosine = [](double progress) { return 0.02 + 0.98 * (1 + std::cos(std::acos(-1.0) * progress)) / 2; };
  EXPECT_DOUBLE_EQ(learning_rate_at(plan, 0, 0), 0.01 * 0.1);
  EXPECT_DOUBLE_EQ(learning_rate_at(plan, 4, 400), 0.01 * 0.5 * cosine(0.004));
  EXPECT_DOUBLE_EQ(learning_rate_at(plan, 9, 900), 0.01 * cosine(0.009));
  EXPECT_DOUBLE_EQ(learning_rate_at(plan, 500, 50'000), 0.01 * 0.51);
  EXPECT_DOUBLE_EQ(learning_rate_at(plan, 1000, 100'000), 0.01 * 0.02);
  EXPECT_DOUBLE_EQ(learning_rate_at(plan, 2000, 200'000), 0.01 * 0.02);
  plan.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(learning_rate_at(plan, 0, 0), 0.01);
}

TEST(Estimate, CountsParametersAndFlopsOfTheRealNetwork) {
  ThreadPool pool(1);
  for (const char* name : {"agreement", "induction", "gqa", "learned", "masked"}) {
    TrainPlan plan = find_recipe(name).plan;
    plan.rows_per_step = 2;
    Trainer trainer = test::make(plan, pool);
    const PlanEstimate estimate =
        estimate_plan(plan, {.n_threads = 1, .gflops = 10, .free_bytes = 0, .vocab_size = trainer.material().vocab_size()});
    EXPECT_EQ(estimate.n_parameters, trainer.n_parameters()) << name;
    EXPECT_NEAR(estimate.flops_per_token / trainer.flops_per_token(), 1, 0.01) << name;
    EXPECT_NEAR(estimate.seconds, estimate.flops_per_token * static_cast<double>(plan.tokens) / 10e9, 1e-9);
    EXPECT_EQ(estimate.problem, "");
  }
}

TEST(Estimate, SaysWhenMemoryIsTooSmall) {
  TrainPlan plan;
  plan.form.d_model = 1024;
  plan.form.n_layers = 24;
  const PlanEstimate estimate = estimate_plan(plan, {.n_threads = 2, .gflops = 10, .free_bytes = 1 << 30, .vocab_size = 65536});
  EXPECT_GT(estimate.memory_bytes, std::int64_t{1} << 30);
  EXPECT_THAT(estimate.problem, HasSubstr("1.0 GiB are free: lower d_model, layers, the vocabulary"));
}

}  // namespace
}  // namespace headroom
