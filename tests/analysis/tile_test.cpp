#include "core/analysis/tile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "core/tensor/error.h"
#include "tests/analysis/traces.h"

namespace headroom {
namespace {

using test::arbitrary_trace;
using test::TraceShape;

/// Scores of at most three digits in float32; probabilities are within [0, 1].
constexpr double kTolerance = 1e-5;

TileRequest whole(std::int64_t layer, std::int64_t head, std::int64_t seq) {
  return {.layer = layer, .head = head, .row_begin = 0, .row_end = seq, .col_begin = 0, .col_end = seq, .rows = seq, .cols = seq};
}

/// One pair by its definition, in double; NaN where masked.
double pair_value(const ForwardTrace& trace, const TileRequest& request, std::int64_t i, std::int64_t j) {
  if (!is_visible(trace.mask, 0, i, j)) return NAN;
  const LayerTrace& layer = trace.layers[static_cast<std::size_t>(request.layer)];
  std::size_t index = 0;
  while (layer.heads[index] != request.head)
    ++index;
  const std::int64_t kv = layer.kv_head_of[index];
  double score = 0;
  for (std::int64_t c = 0; c < layer.d_head; ++c) {
    score += static_cast<double>(
                 layer.attention.q.row(i)[index * static_cast<std::size_t>(layer.d_head) + static_cast<std::size_t>(c)]) *
             static_cast<double>(layer.attention.k.row(j)[static_cast<std::size_t>(kv * layer.d_head + c)]);
  }
  score *= static_cast<double>(layer.scale);
  if (request.quantity == Quantity::kScores) return score;
  return std::exp(
      score - static_cast<double>(layer.attention.logsumexp.row(static_cast<std::int64_t>(index))[static_cast<std::size_t>(i)]));
}

/// A pixel by its definition: every pair looked at, and taken when its row and column fall into the cell.
void expect_tile(const ForwardTrace& trace, const TileRequest& request) {
  const Tile tile = evaluate_tile(trace, request);
  ASSERT_FALSE(tile.is_pruned);
  EXPECT_EQ(tile.request, request);
  ASSERT_EQ(tile.values.size(), static_cast<std::size_t>(request.rows * request.cols));
  const std::int64_t n_rows = request.row_end - request.row_begin, n_cols = request.col_end - request.col_begin;
  for (std::int64_t r = 0; r < request.rows; ++r) {
    for (std::int64_t c = 0; c < request.cols; ++c) {
      double largest = -INFINITY, sum = 0, count = 0;
      for (std::int64_t i = r * n_rows / request.rows; i < (r + 1) * n_rows / request.rows; ++i) {
        for (std::int64_t j = c * n_cols / request.cols; j < (c + 1) * n_cols / request.cols; ++j) {
          const double value = pair_value(trace, request, request.row_begin + i, request.col_begin + j);
          if (std::isnan(value)) continue;
          largest = std::max(largest, value);
          sum += value;
          ++count;
        }
      }
      const float got = tile.values[static_cast<std::size_t>(r * request.cols + c)];
      if (count == 0) {
        EXPECT_TRUE(std::isnan(got)) << r << " " << c;
      } else {
        EXPECT_NEAR(got, request.pooling == Pooling::kMax ? largest : sum / count, kTolerance) << r << " " << c;
      }
    }
  }
}

std::vector<Mask> masks(std::int64_t seq) {
  std::vector<Mask> all(2);
  all[1].direction = Direction::kBidirectional;
  for (const PatternKind kind :
       {PatternKind::kLocalWindow, PatternKind::kStrided, PatternKind::kGlobalLocal, PatternKind::kRandomBlocks}) {
    for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
      Mask& mask = all.emplace_back();
      mask.direction = direction;
      mask.pattern.kind = kind;
    }
  }
  all.push_back(test::blind_rows(seq, {0, 5}, Direction::kCausal));
  return all;
}

TEST(EvaluateTile, AgreesPairByPairUnderEveryMask) {
  for (const Mask& mask : masks(19)) {
    const ForwardTrace trace = arbitrary_trace({.seq = 19, .d_head = 7}, mask);
    for (const Quantity quantity : {Quantity::kProbs, Quantity::kScores}) {
      for (std::int64_t head = 0; head < 4; ++head) {
        SCOPED_TRACE(mask_text(mask) + ", head " + std::to_string(head));
        TileRequest request = whole(1, head, 19);
        request.quantity = quantity;
        expect_tile(trace, request);
      }
    }
  }
}

TEST(EvaluateTile, PoolsTheVisiblePairsOfACell) {
  for (const Mask& mask : masks(23)) {
    const ForwardTrace trace = arbitrary_trace({.seq = 23, .d_head = 4}, mask);
    for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
      for (const Quantity quantity : {Quantity::kProbs, Quantity::kScores}) {
        for (const auto& [rows, cols] :
             std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {5, 7}, {23, 4}, {3, 23}, {22, 22}}) {
          SCOPED_TRACE(mask_text(mask) + ", " + std::to_string(rows) + " x " + std::to_string(cols));
          TileRequest request = whole(0, 2, 23);
          request.pooling = pooling;
          request.quantity = quantity;
          request.rows = rows;
          request.cols = cols;
          expect_tile(trace, request);
        }
      }
    }
  }
}

TEST(EvaluateTile, TakesAnyRectangle) {
  const ForwardTrace trace = arbitrary_trace({.seq = 31, .d_head = 3}, {});
  TileRequest request{.layer = 0, .head = 1, .row_begin = 11, .row_end = 24, .col_begin = 5, .col_end = 20, .rows = 13, .cols = 15};
  expect_tile(trace, request);
  request.rows = 4;
  request.cols = 6;
  expect_tile(trace, request);
  // Wholly above the diagonal: nothing but masked cells.
  request = {.layer = 0, .head = 1, .row_begin = 0, .row_end = 4, .col_begin = 10, .col_end = 14, .rows = 2, .cols = 4};
  EXPECT_THAT(evaluate_tile(trace, request).values, testing::Each(testing::Truly([](float x) { return std::isnan(x); })));
}

TEST(EvaluateTile, CrossesTheBlocksOfKeys) {
  for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
    Mask mask;
    mask.direction = direction;
    const ForwardTrace trace = arbitrary_trace({.seq = 1100, .d_head = 2, .heads = {0}, .kv_head_of = {0}}, mask);
    TileRequest request = whole(1, 0, 1100);
    request.row_begin = 1000;
    request.row_end = 1100;
    request.rows = 100;
    expect_tile(trace, request);
    request.rows = 7;
    request.cols = 50;
    expect_tile(trace, request);
  }
}

TEST(EvaluateTile, CountsHeadsAsInTheUnprunedModel) {
  const ForwardTrace trace = arbitrary_trace({.seq = 9, .d_head = 4, .heads = {1, 2, 6}, .kv_head_of = {0, 0, 1}}, {});
  for (const std::int64_t head : {1, 2, 6})
    expect_tile(trace, whole(0, head, 9));
  for (const std::int64_t head : {0, 3, 7}) {
    const Tile tile = evaluate_tile(trace, whole(0, head, 9));
    EXPECT_TRUE(tile.is_pruned);
    EXPECT_TRUE(tile.values.empty());
  }
}

TEST(EvaluateTile, RefusesWhatDoesNotFit) {
  const ForwardTrace trace = arbitrary_trace({.seq = 9}, {});
  const auto refuse = [&](auto change) {
    TileRequest request = whole(0, 0, 9);
    change(request);
    EXPECT_THROW(evaluate_tile(trace, request), ShapeError);
  };
  refuse([](TileRequest& r) { r.layer = 2; });
  refuse([](TileRequest& r) { r.layer = -1; });
  refuse([](TileRequest& r) { r.row_end = 10; });
  refuse([](TileRequest& r) { r.col_begin = -1; });
  refuse([](TileRequest& r) { r.rows = 10; });
  refuse([](TileRequest& r) { r.cols = 0; });
  refuse([](TileRequest& r) { r.row_begin = r.row_end; });
  ForwardTrace lean;
  lean.ids = trace.ids;
  EXPECT_THROW(evaluate_tile(lean, whole(0, 0, 9)), ShapeError);
}

TEST(EvaluateTile, GridOfSmallHeadsIsQuick) {
  TraceShape shape{.seq = 128, .d_head = 16, .heads = {}, .kv_head_of = {}};
  for (std::int64_t h = 0; h < 16; ++h) {
    shape.heads.push_back(h);
    shape.kv_head_of.push_back(h);
  }
  const ForwardTrace trace = arbitrary_trace(shape, {});
  const auto start = std::chrono::steady_clock::now();
  double sum = 0;
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    for (std::int64_t head = 0; head < 16; ++head)
      sum += static_cast<double>(evaluate_tile(trace, whole(layer, head, 128)).values[0]);
  }
  std::printf("32 heads of 128 x 128 cells: %.2f ms\n",
              std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  EXPECT_NEAR(sum, 32, 1e-4);  // a causal first row has one key
}

TEST(EvaluateCell, AddsUpToItsScoreAndProbability) {
  const ForwardTrace trace = arbitrary_trace({.seq = 9, .d_head = 5, .heads = {1, 4}, .kv_head_of = {0, 1}}, {});
  for (std::int64_t i = 0; i < 9; ++i) {
    for (std::int64_t j = 0; j < 9; ++j) {
      const Cell cell = evaluate_cell(trace, 1, 4, i, j);
      ASSERT_EQ(cell.products.size(), 5u);
      double sum = 0;
      for (std::size_t c = 0; c < 5; ++c) {
        EXPECT_FLOAT_EQ(cell.products[c], cell.q[c] * cell.k[c]);
        sum += static_cast<double>(cell.products[c]);
        EXPECT_EQ(cell.q[c], trace.layers[1].attention.q.row(i)[5 + c]);
        EXPECT_EQ(cell.k[c], trace.layers[1].attention.k.row(j)[5 + c]);
      }
      EXPECT_NEAR(cell.score, sum * 0.7, 1e-6);
      EXPECT_EQ(cell.is_visible, j <= i);
      const double expected = j <= i ? pair_value(trace, {.layer = 1, .head = 4}, i, j) : 0;
      EXPECT_NEAR(cell.probability, expected, 1e-9);
    }
  }
}

TEST(EvaluateCell, OfAPrunedHeadIsEmpty) {
  const ForwardTrace trace = arbitrary_trace({.seq = 4, .d_head = 5, .heads = {1}, .kv_head_of = {0}}, {});
  const Cell cell = evaluate_cell(trace, 0, 0, 2, 1);
  EXPECT_FALSE(cell.is_visible);
  EXPECT_EQ(cell.probability, 0);
  EXPECT_TRUE(cell.q.empty() && cell.k.empty() && cell.products.empty());
  EXPECT_THROW(evaluate_cell(trace, 0, 1, 4, 0), ShapeError);
  EXPECT_THROW(evaluate_cell(trace, 0, 1, 0, -1), ShapeError);
}

TEST(EvaluateRow, IsOneRowOfProbabilities) {
  const Mask mask = test::blind_rows(9, {3}, Direction::kCausal);
  const ForwardTrace trace = arbitrary_trace({.seq = 9, .d_head = 5, .heads = {1}, .kv_head_of = {0}}, mask);
  for (std::int64_t i = 0; i < 9; ++i) {
    const std::vector<float> row = evaluate_row(trace, 0, 1, i);
    ASSERT_EQ(row.size(), 9u);
    double sum = 0;
    for (std::int64_t j = 0; j < 9; ++j) {
      const double expected = pair_value(trace, {.layer = 0, .head = 1}, i, j);
      const float got = row[static_cast<std::size_t>(j)];
      EXPECT_EQ(std::isnan(got), std::isnan(expected));
      if (std::isnan(expected)) continue;
      EXPECT_NEAR(got, expected, kTolerance);
      sum += static_cast<double>(got);
    }
    EXPECT_NEAR(sum, i == 3 ? 0 : 1, kTolerance);
  }
  EXPECT_THAT(evaluate_row(trace, 0, 0, 2), testing::AllOf(testing::SizeIs(9), testing::Each(testing::IsNan())));
  EXPECT_THROW(evaluate_row(trace, 0, 1, 9), ShapeError);
}

}  // namespace
}  // namespace headroom
