#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>

#include "computer_fixture.h"
#include "core/model/long_pass.h"
#include "core/session/on_demand.h"
#include "core/session/pass_estimate.h"

namespace headroom {
namespace {

using testing::FakeGpu;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::session_after;

/// Sums of the two passes are made in another order.
constexpr double kTolerance = 5e-5;

/// Everything above 100 tokens is long.
EngineOptions long_options() {
  EngineOptions options = testing::options();
  options.assets = testing::small_assets();
  options.long_tokens = 100;
  options.measures_held_out_loss = false;
  return options;
}

std::string words(int n) {
  static const char* const kWords[] = {"the", "cat", "that", "sat", "on", "a", "mat", "was", "fluffy", "zzz"};
  std::string text;
  for (int i = 0; i < n; ++i)
    text += std::string(i > 0 ? " " : "") + kWords[(i * i + 3 * i) % 10];
  return text;
}

std::shared_ptr<const Snapshot> refined(Computer& computer, const Compute& compute) {
  auto shown = computer.compute(compute, 1);
  for (auto next = computer.refine(shown); next != shown; next = computer.refine(shown))
    shown = next;
  return shown;
}

void expect_close(const Tensor& actual, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(actual.shape(), expected.shape()) << what;
  for (std::int64_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(actual.data()[i], expected.data()[i], kTolerance) << what << " at " << i;
}

void expect_same_heads(const Snapshot& actual, const Snapshot& expected, std::size_t n_layers) {
  ASSERT_EQ(actual.thumbnails.size(), n_layers);
  ASSERT_EQ(actual.heads.size(), n_layers);
  for (std::size_t l = 0; l < n_layers; ++l) {
    ASSERT_EQ(actual.thumbnails[l].size(), expected.thumbnails[l].size());
    for (std::size_t h = 0; h < expected.thumbnails[l].size(); ++h) {
      const std::vector<float>&a = actual.thumbnails[l][h].values, &b = expected.thumbnails[l][h].values;
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_EQ(std::isnan(a[i]), std::isnan(b[i]));
        if (!std::isnan(a[i])) {
          ASSERT_NEAR(a[i], b[i], kTolerance) << "L" << l << " H" << h << " cell " << i;
        }
      }
      EXPECT_NEAR(actual.heads[l][h].entropy, expected.heads[l][h].entropy, 1e-4);
      EXPECT_EQ(actual.heads[l][h].is_pruned, expected.heads[l][h].is_pruned);
    }
  }
}

const std::vector<Session>& some_sessions() {
  static const std::vector<Session> sessions{
      session_after({TextEdited{words(300)}}),
      session_after({TextEdited{words(300)}, KvHeadsSet{2}, HeadPruneToggled{{0, 3}}, HeadPruneToggled{{2, 1}}}),
      session_after({TextEdited{words(300)}, DModelSet{96}, HeadsCountSet{6}, KvHeadsSet{3}}),
      session_after({TextEdited{words(300)}, DirectionSet{Direction::kBidirectional},
                     PatternSet{{.kind = PatternKind::kGlobalLocal, .window = 20, .n_global = 2}}}),
  };
  return sessions;
}

TEST(LongText, TheFirstLayerIsThatOfTheFullPass) {
  for (const Session& session : some_sessions()) {
    Computer by_layer(long_options()), whole(testing::options());
    const auto expected = whole.compute(session.compute, 1);
    EXPECT_FALSE(expected->is_long);
    const auto first = by_layer.compute(session.compute, 1);
    EXPECT_TRUE(first->is_long);
    ASSERT_EQ(first->trace->layers.size(), 1u);
    expect_close(first->trace->layers[0].attention.q, expected->trace->layers[0].attention.q, "q");
    expect_close(first->trace->layers[0].attention.k, expected->trace->layers[0].attention.k, "k");
    EXPECT_TRUE(first->trace->logits.empty());
    EXPECT_THAT(first->losses, IsEmpty());
    EXPECT_EQ(first->parameters.total(), expected->parameters.total());
    EXPECT_EQ(first->n_kv_heads_left, expected->n_kv_heads_left);
    EXPECT_TRUE(first->heads[0][0].is_sampled());
    EXPECT_EQ(first->thumbnails[0][0].request.row_samples, 1);
    EXPECT_FALSE(first->deeper) << "the first picture does not wait for it";
    // Looked at long enough, every row of 301 counts.
    expect_same_heads(*refined(by_layer, session.compute), *expected, 1);
  }
}

TEST(LongText, ComesBetterAndBetterUnderOneId) {
  Computer computer(long_options());
  const Compute compute = testing::compute_of(words(300));
  auto shown = computer.compute(compute, 7);
  std::vector<std::string> stages;
  const auto progress = [&](const std::string& stage, double share) {
    EXPECT_GE(share, 0);
    EXPECT_LE(share, 1);
    if (stages.empty() || stages.back() != stage) stages.push_back(stage);
  };
  std::int64_t row_samples = 1;
  int n_better = 0;
  for (auto next = computer.refine(shown, {}, progress); next != shown; next = computer.refine(shown, {}, progress)) {
    EXPECT_EQ(next->id, 7u);
    EXPECT_GT(next->version, shown->version);
    EXPECT_EQ(next->trace, shown->trace) << "what was evaluated of it stays";
    EXPECT_TRUE(next->deeper);
    if (n_better++ > 0) {
      EXPECT_GT(next->thumbnails[0][0].request.row_samples, row_samples);
    }
    row_samples = next->thumbnails[0][0].request.row_samples;
    shown = next;
  }
  EXPECT_EQ(n_better, 4);
  EXPECT_THAT(stages, ::testing::ElementsAre("what a full pass would take", "heads from more rows"));
  EXPECT_EQ(computer.counters().passes, 1);
  const auto again = computer.compute(compute, 8);
  EXPECT_EQ(again->trace, shown->trace);
  EXPECT_EQ(again->thumbnails[0][0].request.row_samples, row_samples) << "nothing is forgotten";
  EXPECT_EQ(computer.refine(shown), shown) << "an older snapshot is not worked on";
}

TEST(LongText, AllLayersAreThoseOfAShortText) {
  for (Session session : some_sessions()) {
    session.compute.depth = Depth::kAllLayers;
    Computer deep(long_options()), whole(testing::options());
    const auto expected = whole.compute(session.compute, 1);
    const auto actual = refined(deep, session.compute);
    EXPECT_TRUE(actual->is_long);
    EXPECT_FALSE(actual->deeper);
    ASSERT_EQ(actual->trace->layers.size(), expected->trace->layers.size());
    for (std::size_t l = 0; l < expected->trace->layers.size(); ++l) {
      const AttentionLayerResult &a = actual->trace->layers[l].attention, &b = expected->trace->layers[l].attention;
      expect_close(a.q, b.q, "q");
      expect_close(a.k, b.k, "k");
      expect_close(a.v, b.v, "v");
      expect_close(a.logsumexp, b.logsumexp, "logsumexp");
    }
    EXPECT_THAT(actual->losses, ::testing::Pointwise(::testing::DoubleNear(1e-4), expected->losses));
    expect_same_heads(*actual, *expected, expected->trace->layers.size());
    for (const std::int64_t token : {0, 200, 300}) {
      const auto of_long = predictions_after(*actual, token, 3), of_short = predictions_after(*expected, token, 3);
      ASSERT_EQ(of_long.size(), 3u);
      EXPECT_EQ(of_long[0].id, of_short[0].id);
      EXPECT_NEAR(of_long[0].probability, of_short[0].probability, 1e-4);
    }
  }
}

TEST(LongText, OneTokenIsComputedWhenItIsLookedAt) {
  const Compute compute = testing::compute_of(words(300));
  Computer by_layer(long_options()), whole(testing::options());
  const auto first = by_layer.compute(compute, 1), expected = whole.compute(compute, 1);
  for (const std::int64_t token : {0, 150, 300}) {
    const TokenVectors a = token_vectors(*first, 0, token), b = token_vectors(*expected, 0, token);
    const auto near = [](const std::vector<float>& values) {
      return ::testing::Pointwise(::testing::FloatNear(kTolerance), values);
    };
    EXPECT_THAT(a.normed, near(b.normed));
    EXPECT_THAT(a.q, near(b.q));
    EXPECT_THAT(a.k, near(b.k));
    EXPECT_THAT(a.v, near(b.v));
    EXPECT_THAT(token_values(*first, 0, token), near(b.v));
    EXPECT_THAT(a.head_out, IsEmpty());
    EXPECT_FALSE(b.head_out.empty());
  }
  EXPECT_THAT(predictions_after(*first, 3, 5), IsEmpty());
  EXPECT_EQ(predictions_after(*expected, 3, 5).size(), 5u);
  EXPECT_THROW(token_vectors(*first, 1, 0), ShapeError) << "the second layer is not there";
  EXPECT_THROW(token_vectors(*first, 0, 301), ShapeError);
  EXPECT_THROW(predictions_after(*first, -1, 1), ShapeError);
}

TEST(LongText, DepthChangesNothingOfAShortText) {
  Computer computer(testing::options());
  Compute compute;
  const auto shown = computer.compute(compute, 1);
  compute.depth = Depth::kAllLayers;
  const auto deep = computer.compute(compute, 2);
  EXPECT_EQ(deep->trace, shown->trace);
  EXPECT_EQ(computer.counters().passes, 1);
  EXPECT_EQ(computer.refine(deep), deep);
  EXPECT_FALSE(deep->is_long || deep->deeper || deep->params);
}

TEST(LongText, GoesBackToTheFirstLayer) {
  Computer computer(long_options());
  Compute compute = testing::compute_of(words(150));
  compute.depth = Depth::kAllLayers;
  const auto deep = refined(computer, compute);
  EXPECT_EQ(deep->trace->layers.size(), 4u);
  const int passes = computer.counters().passes;
  EXPECT_EQ(computer.compute(compute, 2)->trace, deep->trace);
  EXPECT_EQ(computer.counters().passes, passes);
  compute.depth = Depth::kFirstLayer;
  EXPECT_EQ(computer.compute(compute, 3)->trace->layers.size(), 1u) << "what it took is given back";
}

TEST(LongText, RandomLayersAreDrawnWhenTheyAreNeeded) {
  Computer computer(long_options());
  Compute compute = session_after({TextEdited{words(150)}, DModelSet{64}}).compute;
  const auto first = computer.compute(compute, 1);
  EXPECT_TRUE(first->params->layers[0].is_drawn());
  EXPECT_FALSE(first->params->layers[1].is_drawn());
  EXPECT_EQ(computer.add_held_out_loss(first), first) << "it would draw them for nothing";
  compute.depth = Depth::kAllLayers;
  const auto deep = refined(computer, compute);
  EXPECT_TRUE(deep->params->layers[3].is_drawn());
  EXPECT_EQ(deep->trace->layers.size(), 4u);
  expect_close(deep->trace->layers[0].attention.q, first->trace->layers[0].attention.q, "q");
}

TEST(LongText, WhatDoesNotFitIsRefusedInASentence) {
  EngineOptions options = long_options();
  options.free_bytes = 100000;
  Computer computer(options);
  Compute compute = testing::compute_of(words(300));
  compute.depth = Depth::kAllLayers;
  const auto shown = refined(computer, compute);
  EXPECT_EQ(shown->trace->layers.size(), 1u) << "the first layer stands";
  ASSERT_TRUE(shown->deeper);
  EXPECT_EQ(shown->deeper->free_bytes, 100000);
  EXPECT_THAT(shown->deeper->refusal, HasSubstr("4 layers of 301 tokens take"));
  EXPECT_TRUE(testing::mentions(shown->notices, shown->deeper->refusal));
  compute.depth = Depth::kFirstLayer;
  EXPECT_FALSE(testing::mentions(refined(computer, compute)->notices, "of memory")) << "no one asked";
}

TEST(LongText, TheEstimateAddsUp) {
  const ModelConfig config;  // grammar-base's shape
  const ModelParams params = make_random_params(config, 1), first = make_random_params(config, 1, DrawnLayers::kFirst);
  const LongPlan plan{.attention_flops = 4e9, .projection_flops = 2e9, .dense_flops = 1e9};
  const PassEstimate estimate = estimate_pass(params, 1000, {}, plan, 1 << 30);
  const double pairs = 1000 * 1001 / 2.0, n = 1000;
  const double attention = 4 * (4 * 16 * 8 * pairs), projections = 4 * (2 * n * 128 * 128 * 4 + 3 * n * 16 * 16);
  const double dense = 4 * (6 * n * 128 * 344) + 2 * n * 128 * 366 + 4 * n * 128 * 9;
  EXPECT_NEAR(estimate.flops, attention + projections + dense, 1);
  EXPECT_NEAR(estimate.seconds, attention / 4e9 + projections / 2e9 + dense / 1e9, 1e-9);
  EXPECT_EQ(estimate.n_layers, 4);
  EXPECT_EQ(estimate.seq, 1000);
  EXPECT_EQ(estimate.bytes, 4 * 1000 * (128 + 4 * (3 * 128 + 8)));
  EXPECT_EQ(estimate.refusal, "");
  const std::int64_t undrawn = 4 * 3 * (4 * 128 * 128 + 3 * 128 + 3 * 128 * 344 + 2 * 128);
  EXPECT_EQ(estimate_pass(first, 1000, {}, plan, 1 << 30).bytes, estimate.bytes + undrawn);
  EXPECT_FALSE(estimate_pass(params, 1000, {}, plan, estimate.bytes - 1).refusal.empty());
  EXPECT_TRUE(estimate_pass(params, 1000, {}, plan, estimate.bytes).refusal.empty());
}

TEST(LongText, EveryEstimateIsPositive) {
  for (const BackendChoice backend :
       {BackendChoice::kFlash, BackendChoice::kNaive, BackendChoice::kReference, BackendChoice::kGl}) {
    for (const Session& session : some_sessions()) {
      FakeGpu gpu;
      EngineOptions options = long_options();
      options.gpu = gpu.provider();
      Computer computer(options);
      Compute compute = session.compute;
      compute.backend = backend;
      const auto shown = computer.refine(computer.compute(compute, 1));
      ASSERT_TRUE(shown->deeper);
      EXPECT_GT(shown->deeper->seconds, 0);
      EXPECT_LT(shown->deeper->seconds, 600);
      EXPECT_GT(shown->deeper->flops, 1e6);
      EXPECT_GT(shown->deeper->free_bytes, 1 << 20);
      EXPECT_EQ(gpu.runs > 0, backend == BackendChoice::kGl);
    }
  }
}

TEST(LongText, AllLayersRunOnTheGpuWhenItIsChosen) {
  FakeGpu gpu;
  EngineOptions options = long_options();
  options.gpu = gpu.provider();
  Computer computer(options);
  Compute compute = testing::compute_of(words(150));
  compute.backend = BackendChoice::kGl;
  compute.depth = Depth::kAllLayers;
  const auto first = computer.compute(compute, 1);
  EXPECT_FALSE(first->ran_on_gpu);
  EXPECT_FALSE(testing::mentions(first->notices, first->backend_reason)) << "nothing was missed yet";
  const auto deep = refined(computer, compute);
  EXPECT_TRUE(deep->ran_on_gpu);
  ASSERT_TRUE(deep->gpu);
  EXPECT_EQ(deep->gpu->backend, "GPU · fake · Fake 3000");
  EXPECT_THAT(testing::failure_of([&] { computer.add_other_device_timing(deep); }), HasSubstr("one device"));

  gpu.fails_to_run = true;
  Computer other(options);
  const auto fallen = refined(other, compute);
  EXPECT_EQ(fallen->trace->layers.size(), 4u);
  EXPECT_FALSE(fallen->ran_on_gpu);
  EXPECT_THAT(fallen->backend_reason, HasSubstr("the fake GPU was lost"));
  EXPECT_TRUE(testing::mentions(fallen->notices, "the fake GPU was lost"));
}

TEST(LongText, IsCutAtTheLimit) {
  EngineOptions options = long_options();
  std::string text;
  for (std::size_t i = 0; i < kMaxTokens + 10; ++i)
    text += "cat ";
  Computer computer(options);
  const auto shown = computer.compute(testing::compute_of(text), 1);
  EXPECT_EQ(shown->seq(), kMaxTokens);
  EXPECT_TRUE(testing::mentions(shown->notices, "131,083 tokens; the first 131,072 are shown"));
  EXPECT_TRUE(testing::mentions(shown->notices, "later positions are extrapolated"));
}

/// Does something on the worker's thread when a stage is first reported.
struct AtStage {
  std::string stage;
  std::function<void(Engine&)> work;
  Engine* engine = nullptr;
  std::atomic<bool> is_done{false};

  void operator()() {
    if (engine == nullptr || is_done || engine->progress().stage != stage) return;
    is_done = true;
    work(*engine);
  }
};

TEST(LongText, CancellingTheFullPassLeavesTheFirstLayer) {
  AtStage cancel{.stage = "all layers", .work = [](Engine& engine) { engine.cancel(); }};
  Engine engine(long_options(), [&] { cancel(); });
  cancel.engine = &engine;
  Compute compute = testing::compute_of(words(2000));
  compute.depth = Depth::kAllLayers;
  const std::uint64_t id = engine.submit(compute);
  engine.wait();
  EXPECT_TRUE(cancel.is_done);
  const std::vector<Answer> answers = engine.take_answers();
  ASSERT_EQ(answers.size(), 2u) << "the first picture, and with the estimate";
  for (const Answer& answer : answers) {
    EXPECT_EQ(answer.id, id);
    EXPECT_EQ(answer.failure, "");
    EXPECT_EQ(answer.snapshot->trace->layers.size(), 1u);
  }
  EXPECT_TRUE(answers[1].snapshot->deeper);
  EXPECT_FALSE(engine.progress().is_busy);
}

TEST(LongText, ANewRequestStopsWhateverRuns) {
  for (const char* stage : {"the first layer", "heads from sampled rows", "what a full pass would take", "all layers"}) {
    std::atomic<std::uint64_t> newest{0};
    AtStage type{.stage = stage, .work = [&](Engine& engine) { newest = engine.submit(testing::compute_of("the cat")); }};
    Engine engine(long_options(), [&] { type(); });
    type.engine = &engine;
    Compute compute = testing::compute_of(words(2000));
    compute.depth = Depth::kAllLayers;
    engine.submit(compute);
    engine.wait();
    EXPECT_TRUE(type.is_done) << stage;
    const std::vector<Answer> answers = engine.take_answers();
    ASSERT_EQ(answers.size(), 1u) << stage;
    EXPECT_EQ(answers[0].id, newest);
    EXPECT_EQ(answers[0].snapshot->seq(), 3u);
  }
}

}  // namespace
}  // namespace headroom
