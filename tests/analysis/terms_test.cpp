// Tiles, cells, rows, extents and measurements where scores are more than scaled products, where layers differ in what they see, and where
// a matrix has more keys than queries or fewer.
#include <gtest/gtest.h>

#include <cmath>

#include "core/analysis/head_metrics.h"
#include "core/tensor/error.h"
#include "tests/analysis/tile_oracle.h"

namespace headroom {
namespace {

using test::arbitrary_trace;
using test::expect_near;
using test::forgetful;
using test::pooled;
using test::score_of_pair;

std::shared_ptr<const PositionBias> bumpy_bias(std::int64_t n_heads, std::int64_t reach) {
  PositionBias bias{n_heads, reach, {}};
  for (std::int64_t i = 0; i < n_heads * (2 * reach + 1); ++i)
    bias.values.push_back(static_cast<float>(2 * std::sin(0.37 * static_cast<double>(i * i % 101))));
  return std::make_shared<const PositionBias>(std::move(bias));
}

/// Layer 0 has a cap and a bias, layer 1 a bias alone, under other masks; seq_q x seq_k.
ForwardTrace trace_with_terms(std::int64_t seq_q, std::int64_t seq_k, const Mask& first, const Mask& second) {
  ForwardTrace trace = arbitrary_trace({.seq = seq_q, .d_head = 5, .seq_k = seq_k}, first);
  trace.layers[0].soft_cap = 0.8F;
  trace.layers[0].scale = 1.1F;
  trace.layers[0].position_bias = bumpy_bias(4, 23);
  trace.layers[1].position_bias = bumpy_bias(4, 1000);
  trace.layers[1].mask = second;
  test::fill_logsumexp(trace);
  return trace;
}

std::vector<TileRequest> requests(std::int64_t seq_q, std::int64_t seq_k) {
  std::vector<TileRequest> all;
  for (const std::int64_t layer : {0, 1}) {
    for (const Quantity quantity : {Quantity::kProbs, Quantity::kScores}) {
      for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
        TileRequest request{.layer = layer,
                            .head = 2,
                            .row_end = seq_q,
                            .col_end = seq_k,
                            .rows = seq_q / 3,
                            .cols = seq_k / 4,
                            .quantity = quantity,
                            .pooling = pooling};
        all.push_back(request);
        request.row_samples = 2;
        request.rows = 9;
        all.push_back(request);
        all.push_back({.layer = layer,
                       .head = 3,
                       .row_begin = seq_q / 2,
                       .row_end = seq_q / 2 + 20,
                       .col_begin = seq_k - 30,
                       .col_end = seq_k,
                       .rows = 20,
                       .cols = 30,
                       .quantity = quantity,
                       .pooling = pooling});
      }
    }
  }
  return all;
}

TEST(ScoreTerms, OfTilesUnderMasksOfEachLayer) {
  ThreadPool pool(2);
  for (const auto& [seq_q, seq_k] : std::vector<std::pair<std::int64_t, std::int64_t>>{{310, 310}, {120, 410}, {290, 70}}) {
    Mask window, all, offset;
    window.pattern = {.kind = PatternKind::kLocalWindow, .window = 40};
    all.direction = Direction::kBidirectional;
    offset.query_offset = std::max<std::int64_t>(0, seq_k - seq_q);
    for (const auto& [first, second] : {std::pair{all, offset}, std::pair{window, all}}) {
      const ForwardTrace trace = trace_with_terms(seq_q, seq_k, first, second);
      for (const TileRequest& request : requests(seq_q, seq_k)) {
        SCOPED_TRACE(std::to_string(seq_q) + " x " + std::to_string(seq_k) + ", layer " + std::to_string(request.layer) + ", " +
                     std::to_string(request.rows) + " rows of cells, " + mask_text(first));
        const std::vector<float> expected = pooled(trace, request);
        expect_near(evaluate_tile(trace, request).values, expected, 1e-5);
        expect_near(evaluate_tile(forgetful(trace), request, {}, &pool).values, expected, 1e-5);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(ScoreTerms, OfCellsAndRows) {
  Mask offset;
  offset.query_offset = 9;
  const ForwardTrace trace = trace_with_terms(12, 21, offset, offset);
  const LayerTrace& layer = trace.layers[0];
  for (const std::int64_t query : {0, 5, 11}) {
    const std::vector<float> row = evaluate_row(trace, 0, 1, query);
    ASSERT_EQ(row.size(), 21U);
    for (std::int64_t key = 0; key < 21; ++key) {
      const Cell cell = evaluate_cell(trace, 0, 1, query, key);
      const double score = score_of_pair(layer, 1, query, key);
      EXPECT_NEAR(cell.score, score, 1e-9);
      EXPECT_EQ(cell.is_visible, key <= query + 9);
      const double prob = std::exp(score - static_cast<double>(layer.attention.logsumexp.row(1)[static_cast<std::size_t>(query)]));
      EXPECT_NEAR(cell.probability, cell.is_visible ? prob : 0, 1e-9);
      if (cell.is_visible) {
        EXPECT_NEAR(row[static_cast<std::size_t>(key)], prob, 1e-6);
      } else {
        EXPECT_TRUE(std::isnan(row[static_cast<std::size_t>(key)]));
      }
    }
  }
  EXPECT_THROW(evaluate_cell(trace, 0, 1, 12, 0), ShapeError);
  EXPECT_THROW(evaluate_cell(trace, 0, 1, 0, 21), ShapeError);
  EXPECT_THROW(evaluate_tile(trace, {.row_end = 13, .col_end = 5, .rows = 1, .cols = 1}), ShapeError);
  EXPECT_THROW(evaluate_tile(trace, {.row_end = 5, .col_end = 22, .rows = 1, .cols = 1}), ShapeError);
}

TEST(ScoreTerms, OfExtentsOverAllKeysOfARectangle) {
  Mask all;
  all.direction = Direction::kBidirectional;
  const ForwardTrace trace = trace_with_terms(30, 77, all, all);
  for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
    // Cells of 7 keys: 77 keys are 11 of them.
    const TileRequest request{
        .layer = 0, .head = 0, .row_end = 30, .col_begin = 14, .col_end = 35, .rows = 10, .cols = 3, .pooling = pooling};
    TileRequest whole = request;
    whole.col_begin = 0;
    whole.col_end = 77;
    whole.cols = pooling == Pooling::kMax ? 77 : 11;
    whole.rows = pooling == Pooling::kMax ? 30 : 10;
    const std::vector<float> cells = pooled(trace, whole);
    const std::vector<RowExtent> extents = row_extents(trace, request);
    ASSERT_EQ(extents.size(), 10U);
    const std::size_t per_row = cells.size() / 10;
    for (std::size_t r = 0; r < 10; ++r) {
      const auto [smallest, largest] = std::minmax_element(cells.begin() + static_cast<std::ptrdiff_t>(r * per_row),
                                                           cells.begin() + static_cast<std::ptrdiff_t>((r + 1) * per_row));
      EXPECT_NEAR(extents[r].smallest, *smallest, 1e-6) << r;
      EXPECT_NEAR(extents[r].largest, *largest, 1e-6) << r;
    }
  }
}

TEST(ScoreTerms, OfMeasurements) {
  const ForwardTrace trace = trace_with_terms(90, 90, {}, {});
  const auto measured = measure_heads(trace, 4);
  const auto fresh = measure_heads(forgetful(trace), 4);
  for (std::size_t l = 0; l < 2; ++l) {
    const LayerTrace& layer = trace.layers[l];
    double entropy = 0, previous = 0;
    for (std::int64_t i = 1; i < 90; ++i) {
      const double sum = static_cast<double>(layer.attention.logsumexp.row(1)[static_cast<std::size_t>(i)]);
      for (std::int64_t j = 0; j <= i; ++j) {
        const double surprise = sum - score_of_pair(layer, 1, i, j);
        entropy += std::exp(-surprise) * surprise / 89;
      }
      previous += std::exp(score_of_pair(layer, 1, i, i - 1) - sum) / 89;
    }
    for (const HeadMetrics& head : {measured[l][1], fresh[l][1]}) {
      EXPECT_NEAR(head.entropy, entropy, 1e-5);
      EXPECT_NEAR(head.scores[0], previous, 1e-6);
      EXPECT_TRUE(head.has_own_tokens);
      EXPECT_EQ(head.n_rows_broken, 0);
    }
  }
}

TEST(CrossAttention, NamesNoPattern) {
  Mask all;
  all.direction = Direction::kBidirectional;
  // Every query looks at key 0 alone: a first-token head, were the keys its own tokens.
  test::Probs probs(6, std::vector<double>(6, 0.0));
  for (auto& row : probs)
    row[0] = 1;
  ForwardTrace trace = test::trace_of({probs}, all);
  const HeadMetrics own = measure_heads(trace, 1)[0][0];
  EXPECT_TRUE(own.has_own_tokens);
  EXPECT_TRUE(own.has_pattern);
  EXPECT_EQ(own.strongest, HeadPattern::kFirstToken);
  trace.key_ids.assign(6, 0);  // as many, but other tokens
  const HeadMetrics cross = measure_heads(trace, 1)[0][0];
  EXPECT_FALSE(cross.has_own_tokens);
  EXPECT_FALSE(cross.has_pattern);
  for (const double score : cross.scores)
    EXPECT_EQ(score, 0);
  EXPECT_NEAR(cross.entropy, own.entropy, 1e-6);
}

TEST(CrossAttention, MeasuresTheEntropyOfRectangles) {
  Mask all;
  all.direction = Direction::kBidirectional;
  for (const auto& [seq_q, seq_k] : std::vector<std::pair<std::int64_t, std::int64_t>>{{20, 33}, {33, 7}}) {
    const ForwardTrace trace = trace_with_terms(seq_q, seq_k, all, all);
    const HeadMetrics head = measure_heads(trace, 4)[0][3];
    EXPECT_EQ(head.n_rows_total, seq_q);
    EXPECT_FALSE(head.has_own_tokens);
    EXPECT_FALSE(head.has_pattern);
    double entropy = 0;
    for (std::int64_t i = 0; i < seq_q; ++i) {
      for (std::int64_t j = 0; j < seq_k; ++j) {
        const double surprise = static_cast<double>(trace.layers[0].attention.logsumexp.row(3)[static_cast<std::size_t>(i)]) -
                                score_of_pair(trace.layers[0], 3, i, j);
        entropy += std::exp(-surprise) * surprise / static_cast<double>(seq_q);
      }
    }
    EXPECT_NEAR(head.entropy, entropy, 1e-5);
    EXPECT_NEAR(head.relative_entropy, entropy / std::log(static_cast<double>(seq_k)), 1e-5);
  }
}

}  // namespace
}  // namespace headroom
