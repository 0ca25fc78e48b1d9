#include "app/painters/tile_store.h"

#include "app/painters/tile_resample.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cmath>

#include "core/session/engine.h"

namespace headroom {
namespace {

/// The snapshot of a sentence of n words of the bundled model.
std::shared_ptr<const Snapshot> snapshot_of(std::size_t n_words) {
  EngineOptions options;
  options.assets = HEADROOM_SOURCE_DIR "/assets";
  options.measures_held_out_loss = false;
  Computer computer(options);
  Compute compute;
  std::string text;
  constexpr std::array<const char*, 5> kWords{"the ", "cat ", "that ", "sat ", "was "};
  for (std::size_t i = 0; i < n_words; ++i)
    text += kWords[i % kWords.size()];
  compute.text = text;
  return computer.compute(compute, 1);
}

TileRequest whole(const Snapshot& snapshot, std::int64_t layer, std::int64_t head) {
  const auto n = static_cast<std::int64_t>(snapshot.seq());
  return {.layer = layer, .head = head, .row_begin = 0, .row_end = n, .col_begin = 0, .col_end = n, .rows = n, .cols = n};
}

void expect_same_values(const Tile& a, const Tile& b) {
  ASSERT_EQ(a.values.size(), b.values.size());
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (std::isnan(a.values[i]) && std::isnan(b.values[i])) continue;
    ASSERT_NEAR(a.values[i], b.values[i], 1e-6) << i;
  }
}

TEST(TileStore, ThumbnailsAreUsedWithoutEvaluating) {
  const auto snapshot = snapshot_of(9);
  TileStore store(TileStore::Options{});
  store.begin_frame();
  const TileRequest request = whole(*snapshot, 2, 5);
  const auto tile = store.find(snapshot, request);
  ASSERT_NE(tile, nullptr);
  expect_same_values(*tile, evaluate_tile(*snapshot->trace, request));
  TileRequest part = request;
  part.row_begin = 3;
  part.row_end = 8;
  part.col_begin = 1;
  part.col_end = 5;
  part.rows = 5;
  part.cols = 4;
  part.pooling = Pooling::kMean;  // Nothing is pooled, so it does not matter.
  expect_same_values(*store.find(snapshot, part), evaluate_tile(*snapshot->trace, part));
  EXPECT_EQ(store.take_evaluated(), 0);
  EXPECT_FALSE(store.is_waiting());
}

TEST(TileStore, ACheapTileIsEvaluatedAtOnceAndOnlyOnce) {
  const auto snapshot = snapshot_of(9);
  TileStore store(TileStore::Options{});
  TileRequest request = whole(*snapshot, 1, 3);
  request.quantity = Quantity::kScores;
  std::shared_ptr<const Tile> first;
  for (int frame = 0; frame < 4; ++frame) {
    store.begin_frame();
    const auto tile = store.find(snapshot, request);
    expect_same_values(*tile, evaluate_tile(*snapshot->trace, request));
    if (frame == 0) first = tile;
    EXPECT_EQ(tile, first) << "the same answer must be the same pointer: pictures are cached by it";
  }
  EXPECT_EQ(store.take_evaluated(), 1);
}

TEST(TileStore, ASnapshotThatOnlyAddsALossDrawsNothingAnew) {
  const auto snapshot = snapshot_of(9);
  auto later = std::make_shared<Snapshot>(*snapshot);
  later->version += 1000;
  TileStore store(TileStore::Options{});
  store.begin_frame();
  const auto before = store.find(snapshot, whole(*snapshot, 0, 0));
  store.begin_frame();
  EXPECT_EQ(store.find(later, whole(*snapshot, 0, 0)), before);
}

TEST(TileStore, AnExpensiveTileComesLaterAndSomethingStandsInForIt) {
  const auto snapshot = snapshot_of(700);
  std::atomic<int> woken = 0;
  TileStore store([&] { ++woken; });
  const TileRequest request = whole(*snapshot, 3, 7);
  ASSERT_GT(static_cast<double>(request.rows * request.cols * 16), TileStore::kTileBudget);
  store.begin_frame();
  const auto stand_in = store.find(snapshot, request);
  ASSERT_TRUE(store.is_waiting());
  ASSERT_NE(stand_in, nullptr) << "a coarse thumbnail was there";
  const Tile& thumbnail = snapshot->thumbnails[3][7];
  ASSERT_LT(thumbnail.request.rows, request.rows);
  expect_same_values(*stand_in, resample_tile(thumbnail, request));
  store.finish();
  EXPECT_EQ(woken, 1);
  store.begin_frame();
  const auto exact = store.find(snapshot, request);
  EXPECT_FALSE(store.is_waiting());
  EXPECT_EQ(store.take_evaluated(), 1);
  expect_same_values(*exact, evaluate_tile(*snapshot->trace, request));
}

TEST(TileStore, OneFrameSpendsABudgetHoweverManyTilesThereAre) {
  const auto snapshot = snapshot_of(200);  // 200 x 200 x 16 = 0.64 million multiply-adds a head
  TileStore store(TileStore::Options{});
  store.begin_frame();
  for (std::int64_t layer = 0; layer < 4; ++layer) {
    for (std::int64_t head = 0; head < 8; ++head)
      store.find(snapshot, whole(*snapshot, layer, head));
  }
  EXPECT_TRUE(store.is_waiting());
  const int at_once = store.take_evaluated();
  EXPECT_GT(at_once, 0);
  EXPECT_LT(at_once, 8);
}

TEST(TileStore, RequestsThatCannotBeAreAnsweredByNothing) {
  const auto snapshot = snapshot_of(5);
  TileStore store(TileStore::Options{});
  store.begin_frame();
  EXPECT_EQ(store.find(nullptr, whole(*snapshot, 0, 0)), nullptr);
  TileRequest request = whole(*snapshot, 0, 0);
  request.rows = 0;
  EXPECT_EQ(store.find(snapshot, request), nullptr);
  request = whole(*snapshot, 99, 0);
  EXPECT_TRUE(store.find(snapshot, request)->values.empty());
  request = whole(*snapshot, 0, 99);
  request.quantity = Quantity::kScores;
  EXPECT_TRUE(store.find(snapshot, request)->values.empty());
}

TEST(ResampleTile, ReadsTheCellUnderEachMiddle) {
  Tile source;
  source.request = {.row_begin = 0, .row_end = 4, .col_begin = 0, .col_end = 4, .rows = 2, .cols = 2};
  source.values = {1, 2, 3, 4};
  TileRequest wanted = source.request;
  wanted.rows = wanted.cols = 4;
  EXPECT_EQ(resample_tile(source, wanted).values, (std::vector<float>{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}));
  wanted = {.row_begin = 2, .row_end = 3, .col_begin = 1, .col_end = 6, .rows = 1, .cols = 5};
  const std::vector<float> values = resample_tile(source, wanted).values;
  EXPECT_EQ(values[0], 3);
  EXPECT_EQ(values[1], 4);
  EXPECT_EQ(values[2], 4);
  EXPECT_TRUE(std::isnan(values[3]) && std::isnan(values[4])) << "beyond the source";
}

}  // namespace
}  // namespace headroom
