#include "core/runs/trainer.h"

#include <cmath>
#include <limits>

#include "core/model/surgery.h"
#include "core/runs/batch_feed.h"
#include "tests/runs/testing.h"

namespace headroom {
namespace {

using test::assets;
using test::make;
using test::message_of;
using test::parameters_of;
using test::tiny_plan;
using ::testing::HasSubstr;

void step(Trainer& trainer, int n) {
  for (int i = 0; i < n; ++i)
    ASSERT_EQ(trainer.step().divergence, "");
}

TEST(Trainer, TheSamePlanGivesTheSameBits) {
  ThreadPool pool(2);
  Trainer first = make(tiny_plan(), pool), second = make(tiny_plan(), pool);
  EXPECT_EQ(parameters_of(first), parameters_of(second));
  step(first, 12);
  step(second, 12);
  EXPECT_EQ(parameters_of(first), parameters_of(second));
  TrainPlan other = tiny_plan();
  other.seed = 1;
  Trainer third = make(other, pool);
  EXPECT_NE(parameters_of(third), parameters_of(first));
}

TEST(Trainer, TrainsThePlansTokensAndThenIsFinished) {
  ThreadPool pool(1);
  TrainPlan plan = tiny_plan();
  plan.tokens = 4 * 16 * 3 + 1;  // the last step goes a little beyond
  Trainer trainer = make(plan, pool);
  EXPECT_EQ(trainer.steps_planned(), 4);
  while (!trainer.is_finished())
    step(trainer, 1);
  EXPECT_EQ(trainer.steps(), 4);
  EXPECT_EQ(trainer.tokens(), 4 * 16 * 4);
}

TEST(Trainer, AccumulatedPassesAreOneLargeBatch) {
  ThreadPool pool(1);
  TrainPlan large = tiny_plan(), parts = tiny_plan();
  large.rows_per_step = 8;
  parts.rows_per_step = 2;
  parts.accumulation = 4;
  Trainer a = make(large, pool), b = make(parts, pool);
  for (int i = 0; i < 5; ++i) {
    const TrainStep x = a.step(), y = b.step();
    EXPECT_EQ(x.tokens, y.tokens);
    EXPECT_NEAR(x.loss, y.loss, 1e-5);
    EXPECT_NEAR(x.gradient_norm, y.gradient_norm, 1e-4 * x.gradient_norm);
  }
  const std::vector<float> p = parameters_of(a), q = parameters_of(b);
  for (std::size_t i = 0; i < p.size(); ++i)
    ASSERT_NEAR(static_cast<double>(p[i]), static_cast<double>(q[i]), 2e-3) << i;
}

TEST(Trainer, BatchesDoNotDependOnHowFarAheadTheyAreMade) {
  ThreadPool pool(2);
  const TrainPlan plan = tiny_plan();
  const TrainMaterial material = open_material(plan, assets());
  BatchFeed feed(plan, material, pool);
  for (const std::int64_t pass : {0, 1, 7, 8, 9, 30, 2}) {
    const Batch expected = feed.make(pass);
    EXPECT_EQ(feed.at(pass).inputs, expected.inputs) << pass;
    EXPECT_EQ(feed.at(pass).targets, expected.targets) << pass;
  }
  EXPECT_NE(feed.make(0).inputs, feed.make(1).inputs);
}

TEST(Trainer, LearnsWithEveryKindOfModel) {
  ThreadPool pool(2);
  for (const char* name : {"agreement", "gqa", "learned", "masked", "translation"}) {
    TrainPlan plan = find_recipe(name).plan;
    plan.form.d_model = 32;
    plan.form.n_heads = 4;
    plan.form.n_kv_heads = plan.form.n_kv_heads == 2 ? 2 : 4;
    plan.rows_per_step = 8;
    plan.tokens = 40'000;
    plan.learning_rate = 1e-2;
    plan.warmup_steps = 10;
    ASSERT_EQ(settle(plan).plan, plan) << name;
    Trainer trainer = make(plan, pool);
    const double before = trainer.measure().held_out_loss;
    step(trainer, 60);
    const HeadReport after = trainer.measure();
    EXPECT_LT(after.held_out_loss, before - 1) << name;
    EXPECT_EQ(after.tokens, trainer.tokens());
    EXPECT_GT(trainer.tokens(), 0);
  }
}

TEST(Trainer, PrunedHeadsStayOff) {
  ThreadPool pool(1);
  TrainPlan plan = tiny_plan();
  plan.start.pruned = {{0, 1}};
  Trainer trainer = make(plan, pool);
  const ParameterSlot& w_o = trainer.network().layout().slot("layers.0.w_o");
  const std::vector<float> before = parameters_of(trainer);
  TrainPlan undecayed = plan;
  step(trainer, 10);
  const std::vector<float> after = parameters_of(trainer);
  // Columns of W_O that read the pruned head only decay: their gradient is zero.
  for (std::int64_t row = 0; row < w_o.rows; ++row)
    for (std::int64_t col = w_o.cols / 2; col < w_o.cols; ++col) {
      const auto i = static_cast<std::size_t>(w_o.offset + row * w_o.cols + col);
      ASSERT_NEAR(static_cast<double>(after[i]), static_cast<double>(before[i]), 2e-3 * std::abs(static_cast<double>(before[i])));
    }
  EXPECT_NE(after[static_cast<std::size_t>(w_o.offset)], before[static_cast<std::size_t>(w_o.offset)]);
}

TEST(Divergence, IsSaidWithWhatToLower) {
  ThreadPool pool(1);
  TrainPlan plan = tiny_plan();
  plan.learning_rate = 1;
  plan.warmup_steps = 0;
  plan.clip_norm = 0;
  plan.tokens = 1'000'000;
  Trainer trainer = make(plan, pool);
  std::string said;
  for (int i = 0; i < 300 && said.empty(); ++i)
    said = trainer.step().divergence;
  EXPECT_THAT(said, HasSubstr("lower the learning rate (now 1)"));
  EXPECT_THAT(said, HasSubstr("at step "));
}

TEST(Divergence, NumbersThatAreNoneAreSeenAtOnce) {
  ThreadPool pool(1);
  Trainer trainer = make(tiny_plan(), pool);
  step(trainer, 3);
  std::vector<float> parameters = parameters_of(trainer);
  parameters[40] = std::numeric_limits<float>::quiet_NaN();
  trainer.set_parameters(parameters);
  EXPECT_THAT(trainer.step().divergence, HasSubstr("no number at step 4"));
}

TEST(Faults, TextsThatCannotBeTrainedOn) {
  const test::TemporaryFolder folder;
  TrainPlan plan = find_recipe("text").plan;
  const auto said = [&](const std::filesystem::path& path) {
    plan.data.path = path.string();
    return message_of([&] { open_material(plan, assets()); });
  };
  EXPECT_NE(said(folder / "nothing.txt"), "");
  EXPECT_NE(said(folder.file("empty.txt", "")), "");
  EXPECT_NE(said(folder.file("tiny.txt", "a few words")), "");
  EXPECT_NE(said(folder.file("binary.txt", std::string(5000, '\0'))), "");
  EXPECT_THAT(said(""), HasSubstr("name a .txt file"));
}

TEST(Faults, ModelsThatDoNotFitTheData) {
  ThreadPool pool(1);
  TrainPlan plan = tiny_plan();
  Trainer letters = make(plan, pool);
  TrainPlan grammar = plan;
  grammar.data.kind = DataKind::kGrammar;
  EXPECT_THAT(
      message_of([&] { Trainer(grammar, open_material(grammar, assets()), change_model(letters.params(), grammar), pool); }),
      HasSubstr("train it on the data that it was made for"));
  EXPECT_NE(message_of([] { open_model("no-such-model", assets()); }), "");
}

TEST(Heal, PoolingSlicingAndPruningStartFromTheChangedModel) {
  ThreadPool pool(1);
  TrainPlan plan = tiny_plan();
  plan.form = {.n_layers = 1, .d_model = 16, .n_heads = 4, .n_kv_heads = 4};
  Trainer trainer = make(plan, pool);
  step(trainer, 20);
  TrainPlan healed = plan;
  healed.start.from = StartFrom::kRun;
  healed.form.n_kv_heads = 2;
  healed.start.pruned = {{0, 3}};
  Trainer changed(healed, trainer.material(), change_model(trainer.params(), healed), pool);
  const ModelParams expected = pool_kv_heads(trainer.params(), 2);
  EXPECT_EQ(parameters_of(changed), flatten(changed.network().layout(), expected));
  EXPECT_EQ(changed.config().shape.n_kv_heads, 2);
  const auto heal = changed.measure_heal();
  ASSERT_TRUE(heal);
  EXPECT_DOUBLE_EQ(heal->loss_before, trainer.measure().held_out_loss);
  EXPECT_DOUBLE_EQ(heal->loss_after, changed.measure().held_out_loss);
  EXPECT_NE(heal->loss_before, heal->loss_after);
  EXPECT_EQ(heal->change, "4 K/V heads pooled to 2, 1 head pruned");
  EXPECT_FALSE(changed.measure_heal());

  healed = plan;
  healed.form.n_heads = healed.form.n_kv_heads = 2;
  const StartingModel sliced = change_model(trainer.params(), healed);
  EXPECT_EQ(sliced.params.config.shape.d_head, 8);
  EXPECT_THAT(sliced.why, HasSubstr("rotary"));
  EXPECT_EQ(sliced.change, "h sliced anew, 4 to 2");
  EXPECT_EQ(change_model(trainer.params(), plan).change, "");
}

TEST(Heal, ThePlanTakesOnTheModelsForm) {
  ThreadPool pool(1);
  Trainer trainer = make(tiny_plan(), pool);
  TrainPlan plan;  // another shape altogether
  plan.form.n_heads = 4;
  plan.form.n_kv_heads = 3;
  adopt_form(plan, trainer.config());
  EXPECT_EQ(plan.form, (TrainForm{.n_layers = 1, .d_model = 16, .n_heads = 4, .n_kv_heads = 2}));
}

TEST(Distillation, AStudentComesNearItsTeacher) {
  ThreadPool pool(1);
  TrainPlan plan = tiny_plan();
  Trainer teacher = make(plan, pool);
  step(teacher, 40);
  auto network = std::make_shared<Network>(teacher.config(), pool);
  std::ranges::copy(teacher.network().parameters(), network->parameters().begin());
  network->parameters_changed();
  TrainPlan other = plan;
  other.seed = 9;
  other.form.n_heads = other.form.n_kv_heads = 1;
  Trainer student = make(other, pool);
  student.set_teacher(network, {.weight = 1, .temperature = 2});
  const double first = student.step().loss;
  double last = 0;
  for (int i = 0; i < 60; ++i)
    last = student.step().loss;
  EXPECT_LT(last, 0.5 * first);  // the loss is T² KL alone
  TrainPlan grammar = plan;
  grammar.data.kind = DataKind::kGrammar;
  Trainer foreign = make(grammar, pool);
  EXPECT_THAT(message_of([&] { foreign.set_teacher(network, {}); }), HasSubstr("both must read the same"));
}

}  // namespace
}  // namespace headroom
