#include "core/figure/arithmetic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/tensor/error.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

TEST(RoundedToSum, AddsUpAsPrinted) {
  const std::vector<double> thirds = rounded_to_sum({1.0 / 3, 1.0 / 3, 1.0 / 3}, 2);
  EXPECT_EQ(thirds, (std::vector<double>{0.34, 0.33, 0.33}));
  EXPECT_EQ(rounded_to_sum({-0.007, 0.004}, 2), (std::vector<double>{-0.01, 0.01}));
  EXPECT_EQ(rounded_to_sum({}, 2), std::vector<double>{});
}

TEST(ExplainCell, EachLineFollowsFromThePrintedOnesAndEndsAtTheTruth) {
  const Scene scene = make_scene({.n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .d_head = 16, .n_tokens = 9});
  int n_checked = 0;
  for (std::int64_t head = 0; head < 4; ++head) {
    for (std::int64_t query = 0; query < 9; ++query) {
      for (std::int64_t key = 0; key <= query; ++key) {
        const CellArithmetic math = explain_cell(*scene.snapshot->trace, 1, head, query, key);
        const Cell cell = evaluate_cell(*scene.snapshot->trace, 1, head, query, key);
        const double sum = std::accumulate(math.products.begin(), math.products.end(), 0.0);
        EXPECT_NEAR(sum, math.sum, 1e-9);
        EXPECT_EQ(rounded(math.sum * math.scale, math.decimals), math.score);
        EXPECT_EQ(rounded(math.score - math.row_max, math.decimals), math.shifted);
        EXPECT_NEAR(std::exp(math.shifted), math.exponential, 0.51 * std::pow(10, -math.decimals));
        EXPECT_EQ(rounded_probability(math.exponential / math.exp_sum), math.probability);
        EXPECT_EQ(math.probability, rounded_probability(cell.probability));
        EXPECT_EQ(math.n_visible, query + 1);
        ++n_checked;
      }
    }
  }
  EXPECT_EQ(n_checked, 4 * 45);
}

TEST(ExplainCell, AMaskedCellHasAScoreAndNoProbability) {
  const Scene scene = make_scene({});
  const CellArithmetic math = explain_cell(*scene.snapshot->trace, 0, 0, 2, 5);
  EXPECT_FALSE(math.is_visible);
  EXPECT_EQ(math.probability, 0);
  EXPECT_EQ(math.n_visible, 3);
}

TEST(ExplainCell, RefusesAPrunedHead) {
  const Scene scene = make_scene({.pruned = {{0, 1}}});
  EXPECT_THROW(explain_cell(*scene.snapshot->trace, 0, 1, 2, 1), Error);
}

TEST(RoundedToDigits, KeepsSmallNumbers) {
  EXPECT_NEAR(rounded_to_digits(1.8437e-14, 2), 1.8e-14, 1e-28);
  EXPECT_EQ(rounded_to_digits(0, 2), 0);
  EXPECT_EQ(rounded_probability(0.12345), 0.123);
}

}  // namespace
}  // namespace headroom
