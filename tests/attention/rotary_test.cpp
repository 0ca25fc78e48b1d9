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

TEST(Rotary, RefusesWhatHasNoPairs) {
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
