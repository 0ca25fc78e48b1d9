#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "core/analysis/tile.h"
#include "tests/analysis/traces.h"

namespace headroom::test {

/// The same q and k; no row sum known.
inline ForwardTrace forgetful(const ForwardTrace& trace) {
  ForwardTrace result = trace;
  for (LayerTrace& layer : result.layers) {
    layer.attention.logsumexp = {};
    layer.row_sums = make_row_sums(layer);
  }
  return result;
}

/// One pair by its definition, in double.
inline double pair_value(const ForwardTrace& trace, const TileRequest& request, std::int64_t i, std::int64_t j) {
  const LayerTrace& layer = trace.layers[static_cast<std::size_t>(request.layer)];
  const auto index = layer.index_of(request.head);
  const double score = score_of_pair(layer, index, i, j);
  if (request.quantity == Quantity::kScores) return score;
  return std::exp(score - static_cast<double>(layer.attention.logsumexp.row(index)[static_cast<std::size_t>(i)]));
}

/// Every cell by its definition, from the rows that the request looks at; NaN where nothing is visible.
inline std::vector<float> pooled(const ForwardTrace& trace, const TileRequest& r) {
  const Mask& mask = trace.layers[static_cast<std::size_t>(r.layer)].mask;
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
      if (!is_visible(mask, 0, r.row_begin + offset, r.col_begin + j)) continue;
      const double value = pair_value(trace, r, r.row_begin + offset, r.col_begin + j);
      const std::size_t cell = base + col_of[static_cast<std::size_t>(j)];
      sums[cell] += value;
      ++counts[cell];
      largest[cell] = std::max(largest[cell], value);
    }
  }
  std::vector<float> values(sums.size(), kNaN);
  for (std::size_t cell = 0; cell < values.size(); ++cell) {
    if (counts[cell] > 0) values[cell] = static_cast<float>(r.pooling == Pooling::kMax ? largest[cell] : sums[cell] / counts[cell]);
  }
  return values;
}

inline void expect_near(const std::vector<float>& got, const std::vector<float>& expected, double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i])) {
      ASSERT_TRUE(std::isnan(got[i])) << i << ": " << got[i];
    } else {
      ASSERT_NEAR(got[i], expected[i], tolerance * (1 + std::abs(static_cast<double>(expected[i])))) << i;
    }
  }
}

inline bool has_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y); });
}

inline std::vector<Mask> wide_masks(std::int64_t seq) {
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

}  // namespace headroom::test
