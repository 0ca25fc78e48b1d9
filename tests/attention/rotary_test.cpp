#include "core/attention/rotary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "core/tensor/error.h"
#include "tests/attention/conformance.h"

namespace headroom {
namespace {

TEST(Rotary, TurnsTheHalvesAsComplexNumbers) {
  constexpr std::int64_t kBatch = 2, kHeads = 3, kSeq = 5, kDim = 6, kFirst = 7;
  std::vector<float> memory = conformance::values(kBatch * kHeads * kSeq * kDim, 5, 1);
  const std::vector<float> before = memory;
  const HeadsView heads = HeadsView::interleaved(memory.data(), kBatch, kHeads, kSeq, kDim);
  const ConstHeadsView old = ConstHeadsView::interleaved(before.data(), kBatch, kHeads, kSeq, kDim);
  rotate(make_rotary_table({500}, kFirst, kSeq, kDim), heads);
  for (std::int64_t b = 0; b < kBatch; ++b) {
    for (std::int64_t h = 0; h < kHeads; ++h) {
      for (std::int64_t i = 0; i < kSeq; ++i) {
        for (std::int64_t c = 0; c < kDim / 2; ++c) {
          const double angle = static_cast<double>(kFirst + i) * std::pow(500.0, -2.0 * static_cast<double>(c) / kDim);
          const std::complex<double> turned =
              std::complex<double>(old.row(b, h, i)[c], old.row(b, h, i)[c + kDim / 2]) * std::polar(1.0, angle);
          EXPECT_NEAR(heads.row(b, h, i)[c], turned.real(), 1e-6);
          EXPECT_NEAR(heads.row(b, h, i)[c + kDim / 2], turned.imag(), 1e-6);
        }
      }
    }
  }
}

TEST(Rotary, AnglesAreExactFarOut) {
  const RotaryTable table = make_rotary_table({10000}, 1000000, 1, 4);
  EXPECT_FLOAT_EQ(table.cos[0], static_cast<float>(std::cos(1000000.0)));
  EXPECT_FLOAT_EQ(table.sin[1], static_cast<float>(std::sin(10000.0)));  // theta^(-2/4) = 1/100
}

TEST(Rotary, ProductsDependOnTheDistanceAlone) {
  std::vector<float> q{0.3F, -1.2F, 0.7F, 2.0F}, k{1.1F, 0.4F, -0.6F, 0.9F};
  const auto product = [&](std::int64_t i, std::int64_t j) {
    std::vector<float> turned_q = q, turned_k = k;
    rotate(make_rotary_table({}, i, 1, 4), HeadsView::interleaved(turned_q.data(), 1, 1, 1, 4));
    rotate(make_rotary_table({}, j, 1, 4), HeadsView::interleaved(turned_k.data(), 1, 1, 1, 4));
    double sum = 0;
    for (std::size_t c = 0; c < 4; ++c) {
      sum += static_cast<double>(turned_q[c]) * static_cast<double>(turned_k[c]);
    }
    return sum;
  };
  EXPECT_NEAR(product(9, 4), product(105, 100), 1e-5);
  EXPECT_GT(std::abs(product(9, 4) - product(9, 5)), 1e-2);
}

TEST(Rotary, TurnsTheFirstCoordinatesAtGivenFrequencies) {
  constexpr std::int64_t kHeads = 3, kDim = 7, kRow = kHeads * kDim;
  const Rotary rotary{.theta = 1e6F, .dims = 4, .frequencies = {0.9, 0.031}, .magnitude = 1.25F};
  const std::vector<float> before = conformance::values(5 * kRow, 8, 1);
  std::vector<float> in_place = before, apart(before.size(), -7);
  const RotaryTable table = make_rotary_table(rotary, 2, 5, kDim);
  rotate(table, HeadsView::interleaved(in_place.data(), 1, kHeads, 5, kDim));
  for (std::int64_t i = 0; i < 5; ++i)
    rotate_row(table, i, kHeads, before.data() + i * kRow, apart.data() + i * kRow);
  for (std::size_t at = 0; at < before.size(); ++at) {
    const auto i = static_cast<std::int64_t>(at) / kRow, c = static_cast<std::int64_t>(at) % kDim;
    double expected = before[at];
    if (c < 4) {
      const double angle = static_cast<double>(2 + i) * rotary.frequencies[static_cast<std::size_t>(c % 2)];
      const double other = c < 2 ? -static_cast<double>(before[at + 2]) : static_cast<double>(before[at - 2]);
      expected = 1.25 * (before[at] * std::cos(angle) + other * std::sin(angle));
    }
    EXPECT_NEAR(in_place[at], expected, 1e-6) << at;
    EXPECT_EQ(apart[at], in_place[at]) << at;
  }
}

TEST(Rotary, PartialDimensionsSetTheFrequencies) {
  // theta^(-2c / dims), not theta^(-2c / d_head).
  const RotaryTable table = make_rotary_table({.theta = 10000, .dims = 4}, 1, 1, 16);
  EXPECT_EQ(table.half, 2);
  EXPECT_FLOAT_EQ(table.sin[1], static_cast<float>(std::sin(0.01)));
}

TEST(Rotary, RefusesWhatHasNoPairs) {
  EXPECT_THROW(make_rotary_table({.dims = 3}, 0, 4, 8), ShapeError);
  EXPECT_THROW(make_rotary_table({.dims = 10}, 0, 4, 8), ShapeError);
  EXPECT_THROW(make_rotary_table({.dims = -2}, 0, 4, 8), ShapeError);
  EXPECT_THROW(make_rotary_table({.frequencies = {1, 2, 3}}, 0, 4, 8), ShapeError);
  EXPECT_NO_THROW(make_rotary_table({.dims = 4}, 0, 4, 5));  // the odd one stays
  EXPECT_THROW(make_rotary_table({}, 0, 4, 5), ShapeError);
  EXPECT_THROW(make_rotary_table({}, 0, 4, 0), ShapeError);
  EXPECT_THROW(make_rotary_table({}, 0, -1, 4), ShapeError);
  std::vector<float> memory(64);
  const RotaryTable table = make_rotary_table({}, 0, 4, 8);
  EXPECT_THROW(rotate(table, HeadsView::interleaved(memory.data(), 1, 1, 4, 4)), ShapeError);
  EXPECT_THROW(rotate(table, HeadsView::interleaved(memory.data(), 1, 1, 5, 8)), ShapeError);
}

}  // namespace
}  // namespace headroom
