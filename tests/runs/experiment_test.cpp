#include "core/runs/experiment.h"

#include <map>

#include "core/runs/experiment_bench.h"
#include "tests/runs/testing.h"

namespace headroom {
namespace {

using test::assets;
using test::message_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kTokens = 1500;  // two steps a model
constexpr int kSeeds = 2;

ExperimentPlan tiny(const std::string& id) { return {.id = id, .tokens = kTokens, .n_seeds = kSeeds, .seed = 3}; }

/// Each experiment runs once for all tests.
const ExperimentResult& result_of(const std::string& id) {
  static std::map<std::string, ExperimentResult> results;
  const auto found = results.find(id);
  if (found != results.end()) return found->second;
  ThreadPool pool(2);
  return results.emplace(id, run_experiment(tiny(id), assets(), pool)).first->second;
}

const ExperimentResult::Spread& point_of(const ExperimentResult& result, const PlaceName& name) {
  for (const ExperimentResult::Series& series : result.series)
    for (const ExperimentResult::Spread& point : series.points)
      if (series.name == name.series && point.label == name.label) return point;
  throw Error("no point " + name.label + " of " + name.series);
}

std::vector<std::string> row_of(const ExperimentResult& result, const PlaceName& name) {
  for (const auto& row : result.rows)
    if (row.at(0) == name.label && row.at(1) == name.series) return row;
  return {};
}

using Names = std::map<std::string, std::vector<std::string>>;

const std::map<std::string, Names>& expected_names() {
  static const std::vector<std::string> shared{"GQA 4", "GQA 2", "MQA 1"}, pruned{"4 heads", "8 heads", "12 heads"};
  static const std::map<std::string, Names> names{
      {"heads", {{"2 layers, d_model 64", {"h = 1", "h = 2", "h = 4", "h = 8", "h = 16"}}}},
      {"width_depth", {{"4 heads a layer", {"1 × 88", "2 × 64", "3 × 56", "4 × 48", "6 × 40"}}}},
      {"sharing", {{"trained so", {"MHA 8", "GQA 4", "GQA 2", "MQA 1"}}, {"pooled, at once", shared}, {"pooled, healed", shared}}},
      {"prune_small",
       {{"big, before pruning", {"16 heads"}},
        {"big, pruned at once", pruned},
        {"big, pruned and healed", pruned},
        {"small from the start", pruned}}},
      {"distil",
       {{"12 heads a layer, d_model 96", {"teacher"}},
        {"6 heads a layer, d_model 48", {"student alone", "student of the teacher"}}}},
  };
  return names;
}

TEST(Experiments, HaveTheirSeriesAndRows) {
  ASSERT_EQ(experiments().size(), expected_names().size());
  for (const ExperimentInfo& info : experiments()) {
    SCOPED_TRACE(info.id);
    EXPECT_GT(info.tokens, 100'000);
    const ExperimentResult& result = result_of(info.id);
    EXPECT_EQ(result.id, info.id);
    EXPECT_EQ(result.title, info.title);
    EXPECT_EQ(result.progress, 1);
    EXPECT_FALSE(result.x_name.empty());
    ASSERT_TRUE(result.floor);
    EXPECT_GT(*result.floor, 1);
    EXPECT_THAT(result.columns, ::testing::Each(::testing::Not("")));
    Names names;
    std::size_t n_points = 0;
    for (const ExperimentResult::Series& series : result.series) {
      double x = -1e9;
      for (const ExperimentResult::Spread& point : series.points) {
        names[series.name].push_back(point.label);
        EXPECT_GT(point.x, x);  // ascending
        x = point.x;
        EXPECT_EQ(point.n_seeds, kSeeds);
        EXPECT_LT(point.lowest, point.highest) << point.label;
        EXPECT_DOUBLE_EQ(point.mean, (point.lowest + point.highest) / 2) << point.label;
        EXPECT_GT(point.lowest, *result.floor);
        const std::vector<std::string> row = row_of(result, {series.name, point.label});
        ASSERT_EQ(row.size(), result.columns.size()) << point.label;
        EXPECT_EQ(row[3],
                  digits_text(point.mean, 3) + " (" + digits_text(point.lowest, 3) + " to " + digits_text(point.highest, 3) + ")");
        EXPECT_EQ(row.back(), "2");
        ++n_points;
      }
    }
    EXPECT_EQ(names, expected_names().at(info.id));
    EXPECT_EQ(result.rows.size(), n_points);
  }
}

// The same plans once more, by hand.

TrainPlan plan_of(const TrainForm& form, std::uint64_t seed) {
  TrainPlan plan;
  plan.recipe = "";
  plan.form = form;
  plan.tokens = kTokens;
  plan.learning_rate = 5e-3;
  plan.seed = seed;
  return plan;
}

void train(Trainer& trainer) {
  while (!trainer.is_finished())
    ASSERT_EQ(trainer.step().divergence, "");
}

void expect_row(const ExperimentResult& result, const PlaceName& name, const std::vector<HeadReport>& reports) {
  const double first = reports[0].held_out_loss, second = reports[1].held_out_loss;
  const ExperimentResult::Spread& point = point_of(result, name);
  EXPECT_EQ(point.mean, (first + second) / 2) << name.label;
  EXPECT_EQ(point.lowest, std::min(first, second)) << name.label;
  EXPECT_EQ(point.highest, std::max(first, second)) << name.label;
  double agreement = 0, named = 0;
  for (const HeadReport& report : reports) {
    agreement += report.behaviour(Behaviour::kAgreementAcrossDistractor)->accuracy / 2;
    std::vector<HeadRef> heads;
    for (const RoleScore& role : report.roles)
      if (role.names_head() && std::ranges::find(heads, role.head) == heads.end()) heads.push_back(role.head);
    named += static_cast<double>(heads.size()) / 2;
  }
  EXPECT_EQ(row_of(result, name)[4], digits_text(agreement, 2)) << name.label;
  EXPECT_EQ(row_of(result, name)[5], digits_text(named, 1)) << name.label;
  EXPECT_EQ(*result.floor, reports[0].floor);
}

TEST(Experiments, NumbersAreThoseOfATraining) {
  ThreadPool pool(2);
  const TrainForm form{.n_layers = 2, .d_model = 64, .n_heads = 8, .n_kv_heads = 8};
  std::vector<HeadReport> own, pooled, healed;
  std::int64_t parameters = 0;
  for (const std::uint64_t seed : {3, 4}) {
    Trainer trainer = test::make(plan_of(form, seed), pool);
    train(trainer);
    parameters = trainer.n_parameters();
    own.push_back(trainer.measure(ProbeSize::kFull));
    TrainPlan heal = plan_of(form, seed);
    heal.form.n_kv_heads = 2;
    heal.tokens = kTokens / 5;
    heal.learning_rate = 1e-3;
    Trainer changed(heal, trainer.material(), change_model(trainer.params(), heal), pool);
    pooled.push_back(changed.measure(ProbeSize::kFull));
    train(changed);
    healed.push_back(changed.measure(ProbeSize::kFull));
  }
  expect_row(result_of("heads"), {"2 layers, d_model 64", "h = 8"}, own);
  EXPECT_EQ(row_of(result_of("heads"), {"2 layers, d_model 64", "h = 8"})[2], std::to_string(parameters));
  expect_row(result_of("sharing"), {"trained so", "MHA 8"}, own);
  expect_row(result_of("sharing"), {"pooled, at once", "GQA 2"}, pooled);
  expect_row(result_of("sharing"), {"pooled, healed", "GQA 2"}, healed);
}

TEST(Experiments, ThePrunedModelIsTheTrainedOneWithoutItsLeastImportantHeads) {
  ThreadPool pool(2);
  const TrainForm form{.n_layers = 2, .d_model = 64, .n_heads = 8, .n_kv_heads = 8};
  std::vector<HeadReport> whole, without, healed;
  std::int64_t parameters = 0;
  for (const std::uint64_t seed : {3, 4}) {
    TrainPlan plan = plan_of(form, seed);
    plan.tokens = kTokens - kTokens / 5;
    Trainer trainer = test::make(plan, pool);
    train(trainer);
    whole.push_back(trainer.measure(ProbeSize::kFull));
    // Eight times the head without which the loss is lowest of those that are left in the order.
    std::vector<std::pair<double, HeadRef>> order;
    for (std::int64_t layer = 0; layer < 2; ++layer)
      for (std::int64_t head = 0; head < 8; ++head) {
        const std::vector<HeadRef> off{{layer, head}};
        trainer.network().set_heads_off(off);
        order.emplace_back(trainer.measure(ProbeSize::kQuick).held_out_loss, off[0]);
      }
    trainer.network().set_heads_off({});
    std::ranges::sort(order);
    TrainPlan heal = plan_of(form, seed);
    heal.tokens = kTokens / 5;
    heal.learning_rate = 1e-3;
    for (int i = 0; i < 8; ++i)
      heal.start.pruned.push_back(order[static_cast<std::size_t>(i)].second);
    std::ranges::sort(heal.start.pruned);
    Trainer changed(heal, trainer.material(), change_model(trainer.params(), heal), pool);
    without.push_back(changed.measure(ProbeSize::kFull));
    train(changed);
    healed.push_back(changed.measure(ProbeSize::kFull));
    parameters = trainer.n_parameters();
  }
  const ExperimentResult& result = result_of("prune_small");
  expect_row(result, {"big, before pruning", "16 heads"}, whole);
  expect_row(result, {"big, pruned at once", "8 heads"}, without);
  expect_row(result, {"big, pruned and healed", "8 heads"}, healed);
  // A head of d_k 8 takes W_Q, W_K, W_V [8, 64] and W_O [64, 8] with it, and three biases of 8.
  EXPECT_EQ(row_of(result, {"big, pruned at once", "8 heads"})[2], std::to_string(parameters - 8 * (4 * 8 * 64 + 3 * 8)));
  EXPECT_EQ(row_of(result, {"big, before pruning", "16 heads"})[2], std::to_string(parameters));
}

TEST(Experiments, TheStudentLearnsFromTheTeacher) {
  ThreadPool pool(2);
  std::vector<HeadReport> alone, taught;
  for (const std::uint64_t seed : {3, 4}) {
    TrainPlan large = plan_of({.n_layers = 2, .d_model = 96, .n_heads = 12, .n_kv_heads = 12}, seed);
    large.tokens = 2 * kTokens;
    Trainer teacher = test::make(large, pool);
    train(teacher);
    const TrainPlan small = plan_of({.n_layers = 2, .d_model = 48, .n_heads = 6, .n_kv_heads = 6}, seed);
    Trainer by_itself = test::make(small, pool), student = test::make(small, pool);
    const std::shared_ptr<Network> network(&teacher.network(), [](Network*) {});
    student.set_teacher(network, {.weight = 0.9F, .temperature = 2});
    train(by_itself);
    train(student);
    alone.push_back(by_itself.measure(ProbeSize::kFull));
    taught.push_back(student.measure(ProbeSize::kFull));
  }
  const ExperimentResult& result = result_of("distil");
  expect_row(result, {"6 heads a layer, d_model 48", "student alone"}, alone);
  expect_row(result, {"6 heads a layer, d_model 48", "student of the teacher"}, taught);
  EXPECT_NE(alone[0].held_out_loss, taught[0].held_out_loss);
}

TEST(Experiments, ComparedModelsAreOfAboutEqualSize) {
  std::vector<double> sizes;
  for (const auto& row : result_of("width_depth").rows)
    sizes.push_back(std::stod(row[2]));
  for (const double size : sizes)
    EXPECT_NEAR(size / sizes[1], 1, 0.12);  // widths go by 8
  for (const auto& row : result_of("heads").rows)
    EXPECT_EQ(row[2], result_of("heads").rows[0][2]);
}

TEST(Experiments, TheSamePlanGivesTheSameBits) {
  ThreadPool pool(2);
  const ExperimentResult& first = result_of("distil");
  const ExperimentResult second = run_experiment(tiny("distil"), assets(), pool);
  EXPECT_EQ(experiment_csv(first), experiment_csv(second));
  for (std::size_t s = 0; s < first.series.size(); ++s)
    for (std::size_t i = 0; i < first.series[s].points.size(); ++i)
      EXPECT_EQ(first.series[s].points[i].mean, second.series[s].points[i].mean);
  ExperimentPlan other = tiny("distil");
  other.seed = 5;
  EXPECT_NE(experiment_csv(run_experiment(other, assets(), pool)), experiment_csv(first));
}

TEST(Experiments, ProgressGrowsToOneAndEveryModelIsTold) {
  ThreadPool pool(2);
  std::vector<ExperimentResult> told;
  const ExperimentResult last = run_experiment({.id = "sharing", .tokens = 100, .n_seeds = 1}, assets(), pool,
                                               {.on_result = [&](const ExperimentResult& result) { told.push_back(result); }});
  ASSERT_EQ(told.size(), 4u + 2 * 3 + 1);  // each model, both times of the pooled ones, and the end
  for (std::size_t i = 0; i + 1 < told.size(); ++i) {
    EXPECT_LE(told[i].progress, told[i + 1].progress);
    EXPECT_LT(told[i].progress, 1);
    EXPECT_EQ(told[i].rows.size(), i + 1);
    EXPECT_EQ(told[i].conclusion, "");
  }
  EXPECT_NEAR(told[0].progress, 100.0 / (4 * 100 + 3 * 20), 1e-12);  // counted in tokens, a last step's surplus aside
  EXPECT_EQ(told.back().progress, 1);
  EXPECT_EQ(told.back().conclusion, last.conclusion);
  EXPECT_NE(last.conclusion, "");
  // One seed has no spread, and nobody says that it has.
  EXPECT_EQ(last.series[0].points[0].lowest, last.series[0].points[0].highest);
  EXPECT_EQ(last.rows[0][3], digits_text(last.series[0].points[0].mean, 3));
  EXPECT_THAT(last.conclusion, HasSubstr("from one seed, so how far seeds differ is not known"));
}

TEST(Experiments, StopWithinAStep) {
  ThreadPool pool(2);
  std::stop_source source;
  int n_told = 0;
  EXPECT_THROW(run_experiment({.id = "heads", .tokens = 1'000'000'000}, assets(), pool,
                              {.on_result =
                                   [&](const ExperimentResult& result) {
                                     ++n_told;
                                     EXPECT_LT(result.progress, 1e-3);
                                     source.request_stop();
                                   },
                               .stop = source.get_token()}),
               Cancelled);
  EXPECT_EQ(n_told, 1);  // 40 steps of the first of fifteen models
  EXPECT_THROW(run_experiment({.id = "heads"}, assets(), pool, {.on_result = {}, .stop = source.get_token()}), Cancelled);
}

TEST(Experiments, WhatCannotBeIsSaidInASentence) {
  ThreadPool pool(1);
  const auto said = [&](const ExperimentPlan& plan, const std::filesystem::path& folder = assets()) {
    return message_of([&] { run_experiment(plan, folder, pool); });
  };
  EXPECT_EQ(said({.id = "head"}), "there is no experiment \"head\"; the nearest is \"heads\"");
  EXPECT_THAT(said({.id = ""}), HasSubstr("there is no experiment"));
  EXPECT_THAT(said({.id = std::string(100'000, 'x')}), HasSubstr("the nearest is"));
  EXPECT_THAT(said({.id = "heads", .n_seeds = 0}), HasSubstr("1 to 20 seeds, not 0"));
  EXPECT_THAT(said({.id = "heads", .n_seeds = 21}), HasSubstr("1 to 20 seeds, not 21"));
  EXPECT_THAT(said({.id = "heads", .tokens = -1}), HasSubstr("tokens, not -1"));
  EXPECT_THAT(said({.id = "heads", .tokens = 2'000'000'000}), HasSubstr("1,000,000,000 tokens, not 2000000000"));
  EXPECT_THAT(said({.id = "heads"}, "/nowhere"), HasSubstr("/nowhere/grammar"));
}

// What the conclusions say is in the tables.

/// As ExperimentBench::difference, from the result alone.
std::string difference(const ExperimentResult& result, const PlaceName& a, const PlaceName& b) {
  const auto &p = point_of(result, a), &q = point_of(result, b);
  const double apart = std::abs(p.mean - q.mean), spread = std::max(p.highest - p.lowest, q.highest - q.lowest);
  return digits_text(apart, 3) + " nats apart, " + (apart > spread ? "more" : "no more") + " than seeds of one model differ (" +
         digits_text(spread, 3) + ")";
}

std::string loss(const ExperimentResult& result, const PlaceName& name) { return digits_text(point_of(result, name).mean, 3); }

/// Labels of the lowest and the highest mean of the only series.
std::pair<PlaceName, PlaceName> extremes(const ExperimentResult& result) {
  const auto& series = result.series.at(0);
  const auto [low, high] = std::ranges::minmax(series.points, {}, &ExperimentResult::Spread::mean);
  return {{series.name, low.label}, {series.name, high.label}};
}

TEST(Conclusions, SayWhatTheTablesSay) {
  for (const char* id : {"heads", "width_depth"}) {
    const ExperimentResult& result = result_of(id);
    const auto [low, high] = extremes(result);
    EXPECT_THAT(result.conclusion, HasSubstr(low.label + " is lowest (" + loss(result, low) + ") and " + high.label + " highest (" +
                                             loss(result, high) + "): " + difference(result, low, high)));
  }
  const ExperimentResult& depth = result_of("width_depth");
  EXPECT_THAT(depth.conclusion,
              HasSubstr("One layer agrees across a distractor in " + row_of(depth, {"4 heads a layer", "1 × 88"})[4]));

  const ExperimentResult& sharing = result_of("sharing");
  EXPECT_THAT(sharing.conclusion, StartsWith("Trained so, 8 K/V heads reach " + loss(sharing, {"trained so", "MHA 8"}) +
                                             " and 1 reaches " + loss(sharing, {"trained so", "MQA 1"}) + ": " +
                                             difference(sharing, {"trained so", "MHA 8"}, {"trained so", "MQA 1"})));
  EXPECT_THAT(sharing.conclusion, HasSubstr("takes it to " + loss(sharing, {"pooled, at once", "MQA 1"}) +
                                            "; a fifth of the training more, to " + loss(sharing, {"pooled, healed", "MQA 1"})));

  const ExperimentResult& prune = result_of("prune_small");
  const PlaceName healed{"big, pruned and healed", "8 heads"}, small{"small from the start", "8 heads"};
  EXPECT_THAT(prune.conclusion,
              HasSubstr("reaches " + loss(prune, healed) + ", the one that was small from the start " + loss(prune, small) +
                        " on the same number of tokens: " + difference(prune, healed, small)));

  const ExperimentResult& distil = result_of("distil");
  const PlaceName alone{"6 heads a layer, d_model 48", "student alone"}, taught{alone.series, "student of the teacher"};
  EXPECT_THAT(distil.conclusion, HasSubstr("reaches " + loss(distil, alone) + " alone and " + loss(distil, taught) + " learning"));
  EXPECT_THAT(distil.conclusion, HasSubstr(difference(distil, alone, taught)));
  EXPECT_THAT(distil.conclusion, HasSubstr("has " + loss(distil, {"12 heads a layer, d_model 96", "teacher"})));
}

TEST(Bench, DifferencesAreHeldAgainstTheSpreadOfTheSeeds) {
  ThreadPool pool(1);
  ExperimentBench bench({.id = "heads", .tokens = 10, .n_seeds = 2}, assets(), pool, {});
  const PlaceName a{"s", "a"}, b{"s", "b"}, c{"s", "c"};
  for (const double loss : {2.0, 2.2})
    bench.add({a, 1}, {.loss = loss, .agreement = loss / 4, .n_parameters = 7});
  for (const double loss : {2.5, 2.4})
    bench.add({b, 0, 9}, {.loss = loss, .n_parameters = 7});
  for (const double loss : {2.1, 2.6})
    bench.add({c, 2}, {.loss = loss});
  EXPECT_DOUBLE_EQ(bench.mean_loss(a), 2.1);
  EXPECT_DOUBLE_EQ(bench.mean_agreement(a), 0.525);
  EXPECT_TRUE(bench.differ(a, b));
  EXPECT_FALSE(bench.differ(a, c));
  EXPECT_EQ(bench.difference(a, b), "0.350 nats apart, more than seeds of one model differ (0.200)");
  EXPECT_EQ(bench.difference(c, a), "0.250 nats apart, no more than seeds of one model differ (0.500)");
  EXPECT_EQ(bench.result().series.at(0).points.at(0).label, "b");  // by x
  EXPECT_EQ(bench.result().rows.at(0).at(2), "7");
  EXPECT_EQ(bench.result().rows.at(1).at(2), "9");
  EXPECT_THAT(message_of([&] { bench.mean_loss({"s", "d"}); }), HasSubstr("no model d, s"));
  EXPECT_THAT(message_of([&] { bench.plan_for({.d_model = 64, .n_heads = 5}, 10, 0); }), HasSubstr("cannot be trained"));
}

TEST(ExperimentCsv, QuotesWhatNeedsIt) {
  ExperimentResult result;
  result.x_name = "h, at d";
  result.y_name = "loss";
  result.columns = {"h", "a \"name\""};
  result.rows = {{"1", "two\nlines"}, {"plain", ""}};
  result.series = {{"s, t", {{.x = 0.5, .mean = 1.25, .lowest = 1, .highest = 1.5, .n_seeds = 2}, {.x = 3, .label = "MQA 1"}}}};
  EXPECT_EQ(experiment_csv(result),
            "h,\"a \"\"name\"\"\"\n"
            "1,\"two\nlines\"\n"
            "plain,\n"
            "\n"
            "series,\"h, at d\",mean loss,lowest,highest,seeds\n"
            "\"s, t\",0.5,1.25,1,1.5,2\n"
            "\"s, t\",MQA 1,0,0,0,0\n");
}

}  // namespace
}  // namespace headroom
