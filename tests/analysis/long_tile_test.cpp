// Tiles of layers that learn their row sums as they are asked for, over several chunks of keys.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <thread>

#include "core/analysis/head_metrics.h"
#include "core/analysis/tile.h"
#include "core/tensor/error.h"
#include "tests/analysis/traces.h"
#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

using test::arbitrary_trace;

/// The same q and k; no row sum known.
ForwardTrace forgetful(const ForwardTrace& trace) {
  ForwardTrace result = trace;
  for (LayerTrace& layer : result.layers) {
    layer.attention.logsumexp = {};
    layer.row_sums = make_row_sums(layer, trace.mask);
  }
  return result;
}

/// One pair by its definition, in double.
double pair_value(const ForwardTrace& trace, const TileRequest& request, std::int64_t i, std::int64_t j) {
  const LayerTrace& layer = trace.layers[static_cast<std::size_t>(request.layer)];
  const auto index = layer.index_of(request.head);
  const std::int64_t kv = layer.kv_head_of[static_cast<std::size_t>(index)];
  double score = 0;
  for (std::int64_t c = 0; c < layer.d_head; ++c) {
    score += static_cast<double>(layer.attention.q.row(i)[static_cast<std::size_t>(index * layer.d_head + c)]) *
             static_cast<double>(layer.attention.k.row(j)[static_cast<std::size_t>(kv * layer.d_head + c)]);
  }
  score *= static_cast<double>(layer.scale);
  if (request.quantity == Quantity::kScores) return score;
  return std::exp(score - static_cast<double>(layer.attention.logsumexp.row(index)[static_cast<std::size_t>(i)]));
}

/// Every cell by its definition, from the rows that the request looks at; NaN where nothing is visible.
std::vector<float> pooled(const ForwardTrace& trace, const TileRequest& r) {
  std::vector<double> sums(static_cast<std::size_t>(r.rows * r.cols)), counts(sums.size()), largest(sums.size(), -INFINITY);
  const std::int64_t n_rows = r.row_end - r.row_begin, n_cols = r.col_end - r.col_begin;
  const auto cell_of = [](std::int64_t offset, std::int64_t size, std::int64_t cells) {
    std::int64_t cell = 0;
    while ((cell + 1) * size / cells <= offset)
      ++cell;
    return cell;
  };
  std::vector<std::size_t> col_of;
  for (std::int64_t offset = 0; offset < n_cols; ++offset)
    col_of.push_back(static_cast<std::size_t>(cell_of(offset, n_cols, r.cols)));
  for (const std::int64_t offset : sampled_offsets(r)) {
    const auto base = static_cast<std::size_t>(cell_of(offset, n_rows, r.rows) * r.cols);
    for (std::int64_t j = 0; j < n_cols; ++j) {
      if (!is_visible(trace.mask, 0, r.row_begin + offset, r.col_begin + j)) continue;
      const double value = pair_value(trace, r, r.row_begin + offset, r.col_begin + j);
      const std::size_t cell = base + col_of[static_cast<std::size_t>(j)];
      sums[cell] += value;
      ++counts[cell];
      largest[cell] = std::max(largest[cell], value);
    }
  }
  std::vector<float> values(sums.size(), test::kNaN);
  for (std::size_t cell = 0; cell < values.size(); ++cell) {
    if (counts[cell] > 0) values[cell] = static_cast<float>(r.pooling == Pooling::kMax ? largest[cell] : sums[cell] / counts[cell]);
  }
  return values;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i])) {
      ASSERT_TRUE(std::isnan(got[i])) << i << ": " << got[i];
    } else {
      ASSERT_NEAR(got[i], expected[i], tolerance * (1 + std::abs(static_cast<double>(expected[i])))) << i;
    }
  }
}

bool has_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y); });
}

std::vector<Mask> wide_masks(std::int64_t seq) {
  std::vector<Mask> masks;
  for (const PatternKind kind : {PatternKind::kDense, PatternKind::kLocalWindow, PatternKind::kStrided, PatternKind::kGlobalLocal,
                                 PatternKind::kRandomBlocks, PatternKind::kHashedBuckets}) {
    for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
      Mask& mask = masks.emplace_back();
      mask.direction = direction;
      mask.pattern = {.kind = kind, .window = 90, .stride = 70, .n_global = 3, .block = 9, .blocks_per_row = 2, .seed = 5};
      for (std::int64_t i = 0; i < seq && kind == PatternKind::kHashedBuckets; ++i) {
        mask.pattern.query_bucket.push_back(static_cast<std::int32_t>(i * i % 7));
        mask.pattern.key_bucket.push_back(static_cast<std::int32_t>(i % 5));
      }
    }
  }
  masks.front().key_lengths = {seq - 11};
  return masks;
}

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

/// A cell row's extent from a tile over all keys, cells as wide as the request's.
std::vector<RowExtent> expected_extents(const ForwardTrace& trace, TileRequest request) {
  const std::int64_t seq = std::ssize(trace.ids), width = (request.col_end - request.col_begin) / request.cols;
  const bool is_max = request.pooling == Pooling::kMax;
  std::vector<RowExtent> extents(static_cast<std::size_t>(request.rows), {test::kNaN, test::kNaN, test::kNaN, test::kNaN});
  const auto take = [&](std::int64_t begin, std::int64_t end, bool is_later, bool is_whole) {
    request.col_begin = begin;
    request.col_end = std::min(end, seq);
    request.cols = 1;
    const std::vector<float> largest = pooled(trace, request);
    for (std::size_t r = 0; r < extents.size(); ++r) {
      const auto widen = [](float value, float& low, float& high) {
        low = std::fmin(low, value);
        high = std::fmax(high, value);
      };
      if (is_whole) widen(largest[r], extents[r].smallest, extents[r].largest);
      if (is_later) widen(largest[r], extents[r].smallest_later, extents[r].largest_later);
    }
  };
  if (is_max && request.rows == request.row_end - request.row_begin) {
    for (std::int64_t j = 0; j < seq; ++j)
      take(j, j + 1, j > 0, true);
  } else {
    for (std::int64_t j = 0; j < seq; j += width)
      take(j, j + width, j > 0 || width == 1, true);
    if (width > 1) take(1, width, true, false);
  }
  return extents;
}

TEST(RowExtents, SpanAllKeysWhateverTheColumns) {
  Mask mask = test::blind_rows(310, {100, 101, 102}, Direction::kCausal);
  for (const bool has_blind_rows : {true, false}) {
    if (!has_blind_rows) mask = {};
    const ForwardTrace trace = arbitrary_trace({.seq = 310, .d_head = 3}, mask);
    TileRequest exact{
        .layer = 1, .head = 1, .row_begin = 90, .row_end = 190, .col_begin = 40, .col_end = 80, .rows = 100, .cols = 40};
    TileRequest coarse = exact;
    coarse.rows = 25;
    coarse.cols = 5;
    coarse.pooling = Pooling::kMean;
    TileRequest sampled = coarse;
    sampled.row_samples = 2;
    for (TileRequest request : {exact, coarse, sampled}) {
      for (const Quantity quantity : {Quantity::kProbs, Quantity::kScores}) {
        request.quantity = quantity;
        SCOPED_TRACE(std::to_string(request.rows) + " rows");
        const std::vector<RowExtent> expected = expected_extents(trace, request);
        TileRequest elsewhere = request;
        elsewhere.col_begin = 200;
        elsewhere.col_end = 240;
        for (const auto& got :
             {row_extents(trace, request), row_extents(forgetful(trace), request), row_extents(trace, elsewhere)}) {
          ASSERT_EQ(got.size(), expected.size());
          for (std::size_t r = 0; r < got.size(); ++r) {
            expect_near({got[r].smallest, got[r].largest, got[r].smallest_later, got[r].largest_later},
                        {expected[r].smallest, expected[r].largest, expected[r].smallest_later, expected[r].largest_later}, 1e-5);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST(RowExtents, OfMaximaAreThoseOfThePairsOfAllRowsOfACell) {
  const ForwardTrace trace = arbitrary_trace({.seq = 310, .d_head = 3}, {});
  TileRequest request{
      .layer = 0, .head = 0, .row_begin = 10, .row_end = 300, .col_begin = 40, .col_end = 80, .rows = 29, .cols = 4};
  const std::vector<RowExtent> got = row_extents(trace, request);
  TileRequest strip = request;
  strip.col_begin = 0;
  strip.col_end = 310;
  strip.cols = 310;
  const std::vector<float> all = pooled(trace, strip);
  for (std::size_t r = 0; r < 29; ++r) {
    float largest = -1, later = -1;
    for (std::size_t c = 0; c < 310; ++c) {
      largest = std::fmax(largest, all[r * 310 + c]);
      if (c > 0) later = std::fmax(later, all[r * 310 + c]);
    }
    EXPECT_NEAR(got[r].largest, largest, 1e-6);
    EXPECT_NEAR(got[r].largest_later, later, 1e-6);
  }
  EXPECT_TRUE(row_extents(trace, {.head = 9, .row_end = 4, .col_end = 4, .rows = 4, .cols = 4}).empty());
  request.col_end = 400;
  EXPECT_THROW(row_extents(trace, request), ShapeError);
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
  EXPECT_THROW(make_row_sums({.heads = {0}, .kv_head_of = {0}, .d_head = 4, .scale = 1}, {}), ShapeError);
  EXPECT_EQ(make_row_sums({}, {}), nullptr);
}

}  // namespace
}  // namespace headroom
