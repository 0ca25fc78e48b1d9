// What a picture of many tokens costs while it is moved, and in which order it becomes exact.

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <semaphore>
#include <set>

#include "app/painters/tile_resample.h"
#include "app/painters/tile_store.h"
#include "core/figure/head_blocks.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

constexpr std::int64_t kTokens = 1500;

const Scene& long_scene() {
  static const Scene scene =
      make_scene({.n_layers = 1, .n_heads = 2, .n_kv_heads = 1, .d_head = 8, .n_tokens = static_cast<std::size_t>(kTokens)});
  return scene;
}

/// The blocks that a picture of 300 × 300 pixels shows of a window.
std::vector<TileRequest> requests_of(const TokenWindow& window, Quantity quantity = Quantity::kProbs) {
  AttentionTile like;
  like.request.quantity = quantity;
  std::vector<TileRequest> requests;
  for (const AttentionTile& tile : block_tiles({.rect = {0, 0, 300, 300},
                                   .window = window,
                                   .like = like,
                                   .size = kTokens,
                                   .mask = long_scene().snapshot->trace->mask})) {
    requests.push_back(tile.request);
  }
  return requests;
}

void expect_same_values(const Tile& a, const Tile& b) {
  ASSERT_EQ(a.values.size(), b.values.size());
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (std::isnan(a.values[i]) && std::isnan(b.values[i])) continue;
    ASSERT_NEAR(a.values[i], b.values[i], 1e-6) << i;
  }
}

/// One frame that shows these, waited for.
void show(TileStore& store, const std::vector<TileRequest>& requests) {
  do {
    store.begin_frame();
    for (const TileRequest& request : requests)
      store.find(long_scene().snapshot, request);
    store.finish();
  } while (store.is_waiting());
}

TEST(TileStages, AMoveEvaluatesOnlyWhatCameIntoView) {
  TileStore store(TileStore::Options{.wake = {}, .n_threads = 2});
  const std::vector<TileRequest> before = requests_of({.row_begin = 900, .row_end = 1180, .col_begin = 300, .col_end = 580});
  show(store, before);
  EXPECT_EQ(store.take_counters().evaluated, std::ssize(before));

  show(store, requests_of({.row_begin = 930, .row_end = 1150, .col_begin = 310, .col_end = 530}));
  EXPECT_EQ(store.take_counters().evaluated, 0) << "all of it was known";

  const std::vector<TileRequest> after = requests_of({.row_begin = 900, .row_end = 1180, .col_begin = 428, .col_end = 708});
  std::int64_t n_new = 0;
  for (const TileRequest& request : after)
    n_new += std::count(before.begin(), before.end(), request) == 0 ? 1 : 0;
  ASSERT_GT(n_new, 0);
  ASSERT_LT(n_new, std::ssize(after));
  show(store, after);
  EXPECT_EQ(store.take_counters().evaluated, n_new);

  for (int frame = 0; frame < 20; ++frame)
    show(store, after);
  show(store, before);
  EXPECT_EQ(store.take_counters().evaluated, 0) << "what was left behind twenty frames ago is still known";
}

TEST(TileStages, MemoryIsBounded) {
  constexpr std::size_t kTile = 128 * 128 * sizeof(float);
  TileStore store(TileStore::Options{.wake = {}, .n_threads = 1, .most_bytes = 8 * (kTile + 512)});
  for (std::int64_t row = 0; row + 128 <= kTokens; row += 128) {
    show(store, requests_of({.row_begin = row, .row_end = row + 128, .col_begin = 0, .col_end = 128}));
    EXPECT_LE(store.bytes(), 8 * (kTile + 512) + 2 * kTile);
  }
  store.begin_frame();
  const TileStore::Counters counters = store.take_counters();
  EXPECT_EQ(counters.evaluated, 11);
  EXPECT_GE(counters.forgotten, 1);
  show(store, requests_of({.row_begin = 0, .row_end = 128, .col_begin = 0, .col_end = 128}));
  EXPECT_EQ(store.take_counters().evaluated, 1) << "the oldest was the first to go";
  show(store, requests_of({.row_begin = 1280, .row_end = 1408, .col_begin = 0, .col_end = 128}));
  EXPECT_EQ(store.take_counters().evaluated, 0) << "the newest was kept";
}

/// A store of one thread that stands still whenever it finished something, until it is let go on.
struct SteppedStore {
  std::counting_semaphore<1000> finished{0}, go{0};
  std::atomic<bool> is_free{false};
  TileStore store{TileStore::Options{.wake =
                                         [this] {
                                           finished.release();
                                           if (!is_free) go.acquire();
                                         },
                                     .n_threads = 1,
                                     .frame_budget = 0,
                                     .sampled_from = 0}};
  ~SteppedStore() {
    is_free = true;
    go.release(100);
    store.finish();
  }
};

TEST(TileStages, StandInThenSampledThenExact) {
  SteppedStore stepped;
  TileStore& store = stepped.store;
  const Scene& scene = long_scene();
  const TileRequest request = requests_of({.row_begin = 0, .row_end = kTokens, .col_begin = 0, .col_end = kTokens}).front();
  ASSERT_EQ(request.rows, 128);
  ASSERT_EQ(request.row_end, 128 * 8);
  TileRequest sampled = request;
  sampled.row_samples = TileStore::kSampledRows;

  store.begin_frame();
  const auto stand_in = store.find(scene.snapshot, request);
  ASSERT_NE(stand_in, nullptr);
  expect_same_values(*stand_in, resample_tile(scene.snapshot->thumbnails[0][0], request));
  EXPECT_TRUE(store.is_waiting());
  EXPECT_EQ(store.progress(), 0);

  stepped.finished.acquire();
  store.begin_frame();
  const auto second = store.find(scene.snapshot, request);
  EXPECT_TRUE(store.is_waiting());
  expect_same_values(*second, evaluate_tile(*scene.snapshot->trace, sampled));
  EXPECT_EQ(store.find(scene.snapshot, request), second) << "it stays until the exact one is there";
  TileStore::Counters counters = store.take_counters();
  EXPECT_EQ(counters.stood_in, 1);
  EXPECT_EQ(counters.sampled, 1);
  EXPECT_EQ(counters.evaluated, 0);

  stepped.go.release();
  stepped.finished.acquire();
  store.begin_frame();
  const auto exact = store.find(scene.snapshot, request);
  EXPECT_FALSE(store.is_waiting());
  EXPECT_EQ(store.progress(), 1);
  expect_same_values(*exact, evaluate_tile(*scene.snapshot->trace, request));
  counters = store.take_counters();
  EXPECT_EQ(counters.evaluated, 1);
  EXPECT_EQ(counters.sampled, 0);
}

TEST(TileStages, AllTilesAreSampledBeforeOneIsExact) {
  SteppedStore stepped;
  const std::vector<TileRequest> requests = requests_of({.row_begin = 0, .row_end = kTokens, .col_begin = 0, .col_end = kTokens});
  ASSERT_GT(requests.size(), 2U);
  for (std::size_t n_sampled = 0; n_sampled < requests.size(); ++n_sampled) {
    stepped.store.begin_frame();
    for (const TileRequest& request : requests)
      stepped.store.find(long_scene().snapshot, request);
    EXPECT_EQ(stepped.store.take_counters().evaluated, 0);
    if (n_sampled > 0) stepped.go.release();
    stepped.finished.acquire();
  }
  stepped.store.begin_frame();
  EXPECT_EQ(stepped.store.take_counters().sampled, 1) << "the last of them";
}

TEST(TileStages, WhatScrolledAwayIsNotEvaluated) {
  SteppedStore stepped;
  TileStore& store = stepped.store;
  const auto first = requests_of({.row_begin = 1000, .row_end = 1280, .col_begin = 0, .col_end = 280});
  ASSERT_GE(first.size(), 4U);
  store.begin_frame();
  for (const TileRequest& request : first)
    store.find(long_scene().snapshot, request);
  stepped.finished.acquire();  // one of them
  const auto second = requests_of({.row_begin = 600, .row_end = 720, .col_begin = 0, .col_end = 100});
  for (int frame = 0; frame < 3; ++frame) {
    store.begin_frame();
    for (const TileRequest& request : second)
      store.find(long_scene().snapshot, request);
  }
  stepped.is_free = true;
  stepped.go.release();
  store.finish();
  store.begin_frame();
  const TileStore::Counters counters = store.take_counters();
  EXPECT_EQ(counters.evaluated, std::ssize(second));
  EXPECT_LE(counters.sampled, std::ssize(second) + 1);
}

TEST(TileStages, AFinerPictureStandsInForACoarserOneAndTheOtherWayRound) {
  TileStore store(TileStore::Options{.wake = {}, .n_threads = 1, .frame_budget = 0});
  const Scene& scene = long_scene();
  const auto coarse = requests_of({.row_begin = 0, .row_end = kTokens, .col_begin = 0, .col_end = kTokens});
  show(store, coarse);
  store.take_counters();
  const auto fine = requests_of({.row_begin = 512, .row_end = 640, .col_begin = 0, .col_end = 128});
  ASSERT_EQ(fine.size(), 1U);
  store.begin_frame();
  const auto stand_in = store.find(scene.snapshot, fine[0]);
  ASSERT_NE(stand_in, nullptr);
  expect_same_values(*stand_in, resample_tile(evaluate_tile(*scene.snapshot->trace, coarse[0]), fine[0]));
}

TEST(TileStages, ScoresAreNeverBlank) {
  TileStore store(TileStore::Options{.wake = {}, .n_threads = 1, .frame_budget = 0});
  store.begin_frame();
  for (const TileRequest& request :
       requests_of({.row_begin = 0, .row_end = kTokens, .col_begin = 0, .col_end = kTokens}, Quantity::kScores)) {
    const auto tile = store.find(long_scene().snapshot, request);
    ASSERT_NE(tile, nullptr);
    EXPECT_TRUE(std::any_of(tile->values.begin(), tile->values.end(), [](float v) { return !std::isnan(v); }));
  }
  EXPECT_TRUE(store.is_waiting());
}

TEST(TileStages, BlocksSideBySideShareWhatTheirRowsSpan) {
  TileStore store(TileStore::Options{.wake = {}, .n_threads = 2, .frame_budget = 0});
  const Scene& scene = long_scene();
  const auto requests = requests_of({.row_begin = 1024, .row_end = 1152, .col_begin = 0, .col_end = 280});
  ASSERT_EQ(requests.size(), 3U);
  std::set<const std::vector<RowExtent>*> seen;
  for (int frame = 0; frame < 2; ++frame) {
    seen.clear();
    store.begin_frame();
    for (const TileRequest& request : requests)
      seen.insert(store.find_extents(scene.snapshot, request).get());
    store.finish();
  }
  EXPECT_FALSE(store.is_waiting());
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(store.take_counters().extents, 1);
  const std::vector<RowExtent> expected = row_extents(*scene.snapshot->trace, requests[1]);
  const std::vector<RowExtent>& found = **seen.begin();
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].largest, expected[i].largest);
    EXPECT_EQ(found[i].largest_later, expected[i].largest_later);
  }
}

}  // namespace
}  // namespace headroom
