#include <gtest/gtest.h>

#include <cmath>

#include "core/tensor/error.h"
#include "tests/analysis/tile_oracle.h"

namespace headroom {
namespace {

using test::arbitrary_trace;
using test::expect_near;
using test::forgetful;
using test::pooled;

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

}  // namespace
}  // namespace headroom
