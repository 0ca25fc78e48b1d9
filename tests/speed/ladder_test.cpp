#include "core/speed/ladder.h"

#include "core/speed/shapes.h"
#include "core/tensor/error.h"
#include "tests/speed/speed_test.h"

namespace headroom {
namespace {

std::vector<std::string> names(const Ladder& ladder) {
  std::vector<std::string> result;
  for (const LadderStep& step : ladder.steps)
    result.push_back(step.name);
  return result;
}

TEST(Ladder, HasFiveRungsWhoseFirstThreeAgree) {
  ThreadPool pool(2);
  const Ladder ladder = measure_ladder(small_shape(8, 8, 70), quick_tools(pool));
  EXPECT_THAT(names(ladder), testing::ElementsAre("per-head loops", "fused q k v", "flash", "GQA", "K/V cache"));
  EXPECT_GT(ladder.largest_difference, 0);  // three ways of summing
  EXPECT_LT(ladder.largest_difference, 1e-4);
  EXPECT_EQ(ladder.steps[0].ratio, 1);
  for (const LadderStep& step : ladder.steps) {
    EXPECT_GT(step.ms, 0) << step.name;
    EXPECT_NEAR(step.ratio, ladder.steps[0].ms / step.ms, 1e-9 * step.ratio) << step.name;
    EXPECT_FALSE(step.what.empty());
  }
  EXPECT_EQ(ladder.recompute_ms, ladder.steps[3].ms);
  EXPECT_EQ(ladder.note, "");
  EXPECT_EQ(ladder.threads, 2);
}

TEST(Ladder, EachRungHasLessToDoThanTheOneBefore) {
  ThreadPool pool(1);
  const Ladder ladder = measure_ladder(small_shape(8, 8, 70), quick_tools(pool));
  const auto& steps = ladder.steps;
  const double projections = 2.0 * 70 * 48 * 3 * 8 * 16;
  EXPECT_EQ(steps[0].flops, steps[1].flops);
  EXPECT_GE(steps[1].flops, projections + 4.0 * (70 * 71 / 2) * 16 * 8);
  EXPECT_LE(steps[3].bytes_moved, steps[2].bytes_moved);
  EXPECT_LT(steps[2].bytes_moved, steps[1].bytes_moved);  // no scores
  EXPECT_LT(steps[3].flops, steps[2].flops);              // fewer keys and values to project
  EXPECT_GE(steps[4].flops, 2.0 * 48 * (8 + 2 * 2) * 16 + 4.0 * 70 * 16 * 8);
  EXPECT_LT(steps[4].flops, steps[3].flops / 5);  // one token of 70
  EXPECT_EQ(steps[2].n_kv_heads, 8);
  EXPECT_EQ(steps[3].n_kv_heads, 2);
}

TEST(Ladder, SharesKeysAndValuesAsTheShapeDoes) {
  ThreadPool pool(1);
  EXPECT_EQ(measure_ladder(small_shape(6, 3, 20), quick_tools(pool)).steps[3].n_kv_heads, 3);
  EXPECT_EQ(measure_ladder(small_shape(6, 6, 20), quick_tools(pool)).steps[3].n_kv_heads, 1);
  EXPECT_EQ(measure_ladder(small_shape(1, 1, 1), quick_tools(pool)).steps[3].n_kv_heads, 1);
}

TEST(Ladder, LeavesTheCacheOutWhereLaterTokensAreSeen) {
  ThreadPool pool(1);
  SpeedShape shape = small_shape(4, 4, 20);
  shape.config.mask.direction = Direction::kBidirectional;
  const Ladder ladder = measure_ladder(shape, quick_tools(pool));
  EXPECT_EQ(ladder.steps.size(), 4u);
  EXPECT_THAT(ladder.note, testing::HasSubstr("causal"));
}

TEST(Ladder, RunsEveryPattern) {
  ThreadPool pool(1);
  for (const PatternKind kind : {PatternKind::kLocalWindow, PatternKind::kStrided, PatternKind::kGlobalLocal,
                                 PatternKind::kRandomBlocks, PatternKind::kHashedBuckets}) {
    SpeedShape shape = small_shape(4, 4, 33);
    shape.config.mask.pattern.kind = kind;
    if (kind == PatternKind::kHashedBuckets) {
      for (std::int32_t i = 0; i < 33; ++i) {
        shape.config.mask.pattern.query_bucket.push_back(i % 3);
        shape.config.mask.pattern.key_bucket.push_back(i % 3);
      }
    }
    EXPECT_EQ(measure_ladder(shape, quick_tools(pool)).steps.size(), 5u);
  }
}

TEST(WholeLayer, CountsWhatPruningLeftAndCutsWhatNaiveCouldNotDo) {
  SpeedShape shape = small_shape(8, 8, 100000);
  shape.config.pruned = {1, 0, 0, 0, 0, 0, 0, 0};
  shape.config.kv_storage = KvStorage::kFloat16;
  const LayerShape layer = whole_layer(shape);
  EXPECT_EQ(layer.shape.config.n_heads, 7);
  EXPECT_EQ(layer.shape.config.n_kv_heads, 7);
  EXPECT_EQ(layer.shape.config.kv_storage, KvStorage::kFloat32);
  EXPECT_LT(layer.shape.config.seq_k, 100000);
  EXPECT_LE(4.0 * static_cast<double>(layer.shape.config.seq_k) * static_cast<double>(layer.shape.config.seq_k) * 7 * 16, 60e9);
  EXPECT_THAT(layer.note, testing::HasSubstr("100,000 tokens"));
  EXPECT_EQ(validate(layer.shape.config), std::nullopt);
}

TEST(Ladder, CanBeStopped) {
  ThreadPool pool(1);
  std::stop_source source;
  source.request_stop();
  SpeedTools tools = quick_tools(pool);
  tools.stop = source.get_token();
  EXPECT_THROW(measure_ladder(small_shape(4, 4, 20), tools), Cancelled);
}

}  // namespace
}  // namespace headroom
