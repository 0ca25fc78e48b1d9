// Tiles of layers that learn their row sums as they are asked for, over several chunks of keys.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "core/analysis/head_metrics.h"
#include "core/tensor/error.h"
#include "tests/analysis/tile_oracle.h"
#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

using test::arbitrary_trace;
using test::expect_near;
using test::forgetful;
using test::has_same_bits;
using test::pair_value;
using test::pooled;
using test::wide_masks;

std::vector<TileRequest> requests() {
  const TileRequest whole{
      .layer = 1, .head = 2, .row_begin = 0, .row_end = 620, .col_begin = 0, .col_end = 620, .rows = 37, .cols = 53};
  TileRequest part{
      .layer = 0, .head = 3, .row_begin = 130, .row_end = 517, .col_begin = 61, .col_end = 331, .rows = 9, .cols = 270};
  TileRequest exact{
      .layer = 0, .head = 0, .row_begin = 300, .row_end = 371, .col_begin = 250, .col_end = 345, .rows = 71, .cols = 95};
  TileRequest sampled = whole;
  sampled.row_samples = 3;
  TileRequest one = part;
  one.rows = one.cols = 1;
  return {whole, part, exact, sampled, one};
}

TEST(LongTile, AgreesWithItsDefinitionUnderEveryMask) {
  ThreadPool pool(3);
  for (const Mask& mask : wide_masks(620)) {
    const ForwardTrace trace = arbitrary_trace({.seq = 620, .d_head = 3}, mask);
    for (TileRequest request : requests()) {
      for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
        for (const Quantity quantity : {Quantity::kProbs, Quantity::kScores}) {
          SCOPED_TRACE(mask_text(mask) + ", " + std::to_string(request.rows) + " x " + std::to_string(request.cols) +
                       (pooling == Pooling::kMax ? ", max" : ", mean"));
          request.pooling = pooling;
          request.quantity = quantity;
          const std::vector<float> expected = pooled(trace, request);
          expect_near(evaluate_tile(trace, request).values, expected, 1e-5);
          const ForwardTrace fresh = forgetful(trace);
          const Tile first = evaluate_tile(fresh, request, {}, &pool), second = evaluate_tile(fresh, request);
          expect_near(first.values, expected, 1e-5);
          // Whether sums were known beforehand changes no largest value, and of a mean the last digits at most.
          EXPECT_TRUE(pooling == Pooling::kMean || has_same_bits(first.values, second.values));
          expect_near(second.values, first.values, 1e-6);
          EXPECT_TRUE(has_same_bits(evaluate_tile(forgetful(trace), request).values, first.values)) << "without the pool";
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(LongTile, AgreesWithEveryInstructionSet) {
  for (const Mask& mask : wide_masks(150)) {
    const ForwardTrace trace = arbitrary_trace({.seq = 150, .d_head = 3}, mask);
    for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
      const TileRequest request{
          .layer = 1, .head = 2, .row_end = 150, .col_begin = 3, .col_end = 150, .rows = 61, .cols = 49, .pooling = pooling};
      const std::vector<float> expected = pooled(trace, request);
      const HeadMetrics measured = measure_heads(trace, 3)[1][2];
      for_each_simd([&] {
        expect_near(evaluate_tile(trace, request).values, expected, 1e-5);
        expect_near(evaluate_tile(forgetful(trace), request).values, expected, 1e-5);
        const HeadMetrics again = measure_heads(trace, 3)[1][2];
        EXPECT_NEAR(again.entropy, measured.entropy, 1e-5);
        for (std::size_t s = 0; s < again.scores.size(); ++s)
          EXPECT_NEAR(again.scores[s], measured.scores[s], 1e-5);
      });
    }
  }
}

TEST(LongTile, LearnsOnlyTheRowsThatSeeOfIt) {
  const ForwardTrace fresh = forgetful(arbitrary_trace({.seq = 620, .d_head = 3}, {}));
  const RowSums& sums = *fresh.layers[0].row_sums;
  evaluate_tile(fresh, {.layer = 0, .head = 1, .row_end = 100, .col_begin = 300, .col_end = 400, .rows = 10, .cols = 10});
  EXPECT_EQ(sums.share_known(), 0);  // above the diagonal
  evaluate_tile(fresh, {.layer = 0,
                        .head = 1,
                        .row_begin = 200,
                        .row_end = 300,
                        .col_begin = 0,
                        .col_end = 50,
                        .rows = 10,
                        .cols = 10,
                        .row_samples = 2});
  EXPECT_DOUBLE_EQ(sums.share_known(), 20.0 / (4 * 620));
  EXPECT_TRUE(sums.is_known(1, 299));
  EXPECT_TRUE(sums.is_known(1, 204));
  EXPECT_FALSE(sums.is_known(1, 203));
  const RowSums alone(sums.config(), ConstHeadsView::interleaved(fresh.layers[0].attention.q.data(), 1, 4, 620, 3),
                      ConstHeadsView::interleaved(fresh.layers[0].attention.k.data(), 1, 2, 620, 3));
  EXPECT_EQ(sums.logsumexp(1, 299), alone.logsumexp(1, 299));
  EXPECT_EQ(sums.row(1, 204).largest_later, alone.row(1, 204).largest_later);
}

TEST(LongTile, OfSampledRowsPoolsExactlyThose) {
  const ForwardTrace trace = forgetful(arbitrary_trace({.seq = 500, .d_head = 4}, {}));
  TileRequest request{.layer = 0,
                      .head = 2,
                      .row_begin = 37,
                      .row_end = 487,
                      .col_begin = 10,
                      .col_end = 410,
                      .rows = 13,
                      .cols = 40,
                      .row_samples = 5};
  for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
    request.pooling = pooling;
    const Tile tile = evaluate_tile(trace, request);
    const std::vector<std::int64_t> offsets = sampled_offsets(request);
    ASSERT_EQ(offsets.size(), 13u * 5u);
    for (std::int64_t r = 0; r < 13; ++r) {
      std::vector<double> pool(40, pooling == Pooling::kMax ? -1 : 0), counts(40);
      for (std::size_t s = 0; s < 5; ++s) {
        const std::int64_t row = 37 + offsets[static_cast<std::size_t>(r) * 5 + s];
        TileRequest single = request;
        single.row_begin = row;
        single.row_end = row + 1;
        single.rows = 1;
        single.row_samples = 0;
        const Tile of_row = evaluate_tile(trace, single);
        for (std::int64_t c = 0; c < 40; ++c) {
          const auto at = static_cast<std::size_t>(c);
          if (std::isnan(of_row.values[at])) continue;
          const double n = static_cast<double>(std::min<std::int64_t>(10 + 10 * (c + 1), row + 1) - (10 + 10 * c));
          counts[at] += n;
          if (pooling == Pooling::kMax) pool[at] = std::max(pool[at], static_cast<double>(of_row.values[at]));
          if (pooling == Pooling::kMean) pool[at] += static_cast<double>(of_row.values[at]) * n;
        }
      }
      for (std::size_t c = 0; c < 40; ++c) {
        const float got = tile.values[static_cast<std::size_t>(r) * 40 + c];
        if (counts[c] == 0) {
          EXPECT_TRUE(std::isnan(got));
        } else if (pooling == Pooling::kMax) {
          EXPECT_EQ(got, static_cast<float>(pool[c])) << r << " " << c;
        } else {
          EXPECT_NEAR(got, pool[c] / counts[c], 1e-7) << r << " " << c;
        }
      }
    }
  }
}

TEST(SampledOffsets, SpreadEvenlyAndEndWithTheLastRow) {
  for (const std::int64_t size : {1, 2, 7, 100, 128, 1001}) {
    for (const std::int64_t rows : {1, 2, 7, 100}) {
      for (const std::int64_t samples : {0, 1, 2, 3, 8, 5000}) {
        if (rows > size) continue;
        const std::vector<std::int64_t> offsets =
            sampled_offsets({.row_begin = 50, .row_end = 50 + size, .rows = rows, .row_samples = samples});
        const bool is_all = samples == 0 || samples * rows > size;
        ASSERT_EQ(std::ssize(offsets), is_all ? size : samples * rows);
        EXPECT_EQ(std::adjacent_find(offsets.begin(), offsets.end(), std::greater_equal<>()), offsets.end());
        std::size_t next = 0;
        for (std::int64_t r = 0; r < rows; ++r) {
          const std::int64_t begin = r * size / rows, end = (r + 1) * size / rows;
          const std::size_t first = next;
          while (next < offsets.size() && offsets[next] < end)
            ++next;
          ASSERT_GT(next, first);
          EXPECT_GE(offsets[first], begin);
          EXPECT_EQ(offsets[next - 1], end - 1) << "the last row of each cell row";
          EXPECT_TRUE(is_all || static_cast<std::int64_t>(next - first) == samples);
        }
      }
    }
  }
  // A longer sample of the same rows holds the shorter one, where the numbers divide.
  const auto few = sampled_offsets({.row_end = 1024, .rows = 4, .row_samples = 2});
  const auto many = sampled_offsets({.row_end = 1024, .rows = 4, .row_samples = 16});
  EXPECT_TRUE(std::ranges::includes(many, few));
}

TEST(LongTile, TakesAnyHeadSize) {
  for (std::int64_t d_head = 1; d_head <= 256; d_head += d_head < 70 ? 1 : 31) {
    const ForwardTrace trace = arbitrary_trace({.seq = 71, .d_head = d_head, .heads = {0, 5, 7}, .kv_head_of = {1, 0, 1}}, {});
    const TileRequest request{.layer = 1, .head = 7, .row_end = 71, .col_end = 71, .rows = 71, .cols = 71};
    SCOPED_TRACE(d_head);
    expect_near(evaluate_tile(forgetful(trace), request).values, pooled(trace, request), 2e-5);
    if (HasFatalFailure()) return;
  }
}

TEST(LongTile, OfHugeTinyAndEqualScores) {
  for (const float size : {0.0F, 1e-20F, 30.0F, 3e3F}) {
    ForwardTrace trace = arbitrary_trace({.seq = 300, .d_head = 2}, {});
    for (float& x : trace.layers[0].attention.q.span())
      x *= size;
    ForwardTrace fresh = forgetful(trace);
    for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
      TileRequest request{.head = 1, .row_end = 300, .col_end = 300, .rows = 300, .cols = 300, .pooling = pooling};
      const Tile exact = evaluate_tile(fresh, request);
      for (std::int64_t i = 0; i < 300; ++i) {
        double sum = 0;
        for (std::int64_t j = 0; j <= i; ++j) {
          const auto p = static_cast<double>(exact.values[static_cast<std::size_t>(i * 300 + j)]);
          ASSERT_GE(p, 0);
          ASSERT_LE(p, 1);
          ASSERT_TRUE(size > 1e-10F || std::abs(p - 1 / static_cast<double>(i + 1)) < 1e-6) << p;
          sum += p;
        }
        ASSERT_NEAR(sum, 1, size > 1e3F ? 1e-3 : 2e-5) << "row " << i << ", scores of " << size;
      }
      request.rows = request.cols = 10;
      for (const float p : evaluate_tile(fresh, request).values) {
        EXPECT_TRUE(std::isnan(p) || (p >= 0 && p <= 1)) << p;
      }
    }
  }
}

TEST(LongTile, StopsWhenAskedOnOneThreadOrMany) {
  const ForwardTrace trace = forgetful(arbitrary_trace({.seq = 620, .d_head = 3}, {}));
  const TileRequest request = requests()[0];
  std::stop_source source;
  source.request_stop();
  ThreadPool pool(2);
  EXPECT_THROW(evaluate_tile(trace, request, source.get_token()), Cancelled);
  EXPECT_THROW(evaluate_tile(trace, request, source.get_token(), &pool), Cancelled);
  EXPECT_THROW(row_extents(trace, request, source.get_token(), &pool), Cancelled);
  EXPECT_EQ(trace.layers[1].row_sums->share_known(), 0);
  TileRequest negative = request;
  negative.row_samples = -1;
  EXPECT_THROW(evaluate_tile(trace, negative), ShapeError);
}

TEST(LongTile, FromManyThreadsAtOnceIsTheSame) {
  const ForwardTrace trace = arbitrary_trace({.seq = 620, .d_head = 3}, {});
  const ForwardTrace shared = forgetful(trace), alone = forgetful(trace);
  std::vector<TileRequest> wanted = requests();
  std::vector<Tile> got(wanted.size() * 2);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < got.size(); ++t)
      threads.emplace_back([&, t] { got[t] = evaluate_tile(shared, wanted[t % wanted.size()]); });
  }
  for (std::size_t t = 0; t < got.size(); ++t)
    EXPECT_TRUE(has_same_bits(got[t].values, evaluate_tile(alone, wanted[t % wanted.size()]).values)) << t;
}

TEST(LongTile, RowsAndCellsComeFromTheSameSums) {
  const ForwardTrace trace = arbitrary_trace({.seq = 620, .d_head = 3}, {});
  const ForwardTrace fresh = forgetful(trace);
  const std::vector<float> row = evaluate_row(fresh, 1, 3, 600);
  double sum = 0;
  for (std::int64_t j = 0; j <= 600; ++j) {
    sum += static_cast<double>(row[static_cast<std::size_t>(j)]);
    EXPECT_NEAR(evaluate_cell(fresh, 1, 3, 600, j).probability, pair_value(trace, {.layer = 1, .head = 3}, 600, j), 1e-6);
  }
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_TRUE(std::isnan(row[601]));
}

TEST(MeasureHeads, FromRowSumsAndAnyPoolAreTheSame) {
  for (const Mask& mask : wide_masks(620)) {
    SCOPED_TRACE(mask_text(mask));
    const ForwardTrace trace = arbitrary_trace({.seq = 620, .d_head = 3}, mask), fresh = forgetful(trace);
    ThreadPool pool(3);
    const auto known = measure_heads(trace, 4, {.max_rows = 100}),
               learnt = measure_heads(fresh, 4, {.max_rows = 100, .pool = &pool});
    EXPECT_DOUBLE_EQ(fresh.layers[0].row_sums->share_known(), 100.0 / 620);
    for (std::size_t l = 0; l < 2; ++l) {
      for (std::size_t h = 0; h < 4; ++h) {
        const HeadMetrics &a = known[l][h], &b = learnt[l][h];
        EXPECT_NEAR(a.entropy, b.entropy, 1e-5);
        for (std::size_t s = 0; s < a.scores.size(); ++s)
          EXPECT_NEAR(a.scores[s], b.scores[s], 1e-6);
        EXPECT_EQ(b.n_rows, 100);
        EXPECT_EQ(b.n_rows_total, 620);
        EXPECT_TRUE(b.is_sampled());
      }
    }
    EXPECT_FALSE(measure_heads(trace, 1, {.max_rows = 620})[0][0].is_sampled());
  }
}

TEST(MakeRowSums, RefusesALayerWithoutQAndK) {
  EXPECT_THROW(make_row_sums({.heads = {0}, .kv_head_of = {0}, .d_head = 4, .scale = 1}), ShapeError);
  EXPECT_EQ(make_row_sums({}), nullptr);
}

}  // namespace
}  // namespace headroom
