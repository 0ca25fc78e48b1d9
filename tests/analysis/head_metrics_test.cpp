#include "core/analysis/head_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/tensor/error.h"
#include "tests/analysis/traces.h"

namespace headroom {
namespace {

using test::Probs;
using test::trace_of;

/// Probabilities pass through float32 logarithms and exponentials.
constexpr double kTolerance = 2e-6;

double score(const HeadMetrics& metrics, HeadPattern pattern) { return metrics.scores[static_cast<std::size_t>(pattern)]; }

Mask bidirectional() {
  Mask mask;
  mask.direction = Direction::kBidirectional;
  return mask;
}

/// Row i from a function of (i, j), made to sum to one over the visible keys.
template <typename Weight>
Probs rows_of(std::int64_t seq, const Mask& mask, Weight weight) {
  Probs probs(static_cast<std::size_t>(seq), std::vector<double>(static_cast<std::size_t>(seq), 0));
  for (std::int64_t i = 0; i < seq; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < seq; ++j)
      sum += is_visible(mask, 0, i, j) ? weight(i, j) : 0;
    for (std::int64_t j = 0; j < seq; ++j) {
      if (is_visible(mask, 0, i, j)) probs[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = weight(i, j) / sum;
    }
  }
  return probs;
}

/// Every measure by its definition, from the matrix, over the given rows.
HeadMetrics measure_by_definition(const Probs& probs, const Mask& mask, const std::vector<std::int64_t>& rows) {
  const std::int64_t seq = std::ssize(probs);
  const auto p = [&](std::int64_t i, std::int64_t j) { return probs[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)]; };
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values)
      sum += value;
    return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
  };
  std::vector<double> entropies, relative, previous, first, self;
  for (const std::int64_t i : rows) {
    double entropy = 0;
    int n_visible = 0;
    for (std::int64_t j = 0; j < seq; ++j) {
      if (!is_visible(mask, 0, i, j)) continue;
      ++n_visible;
      if (p(i, j) > 0) entropy -= p(i, j) * std::log(p(i, j));
    }
    if (n_visible >= 2) {
      entropies.push_back(entropy);
      relative.push_back(entropy / std::log(n_visible));
    }
    if (i == 0 || n_visible == 0) continue;
    if (is_visible(mask, 0, i, i - 1)) previous.push_back(p(i, i - 1));
    first.push_back(p(i, 0));
    self.push_back(p(i, i));
  }
  double broadcast = 0;
  for (std::int64_t j = 1; j < seq; ++j) {
    std::vector<double> column;
    for (const std::int64_t i : rows) {
      if (i != j && is_visible(mask, 0, i, j)) column.push_back(p(i, j));
    }
    if (column.size() >= 3) broadcast = std::max(broadcast, mean(column));
  }
  HeadMetrics metrics;
  metrics.entropy = mean(entropies);
  metrics.relative_entropy = mean(relative);
  metrics.scores = {mean(previous), mean(first), mean(self), broadcast};
  return metrics;
}

void expect_equal(const HeadMetrics& got, const HeadMetrics& expected) {
  EXPECT_FALSE(got.is_pruned);
  EXPECT_NEAR(got.entropy, expected.entropy, 1e-5);
  EXPECT_NEAR(got.relative_entropy, expected.relative_entropy, 1e-5);
  for (std::size_t s = 0; s < got.scores.size(); ++s)
    EXPECT_NEAR(got.scores[s], expected.scores[s], kTolerance) << s;
}

std::vector<std::int64_t> all_rows(std::int64_t seq) {
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < seq; ++i)
    rows.push_back(i);
  return rows;
}

TEST(MeasureHeads, FollowsTheDefinitionsUnderEveryMask) {
  constexpr std::int64_t kSeq = 11;
  std::vector<Mask> masks{{},
                          bidirectional(),
                          test::blind_rows(kSeq, {0, 4, 10}, Direction::kCausal),
                          test::blind_rows(kSeq, {2, 3}, Direction::kBidirectional)};
  for (const PatternKind kind :
       {PatternKind::kLocalWindow, PatternKind::kStrided, PatternKind::kGlobalLocal, PatternKind::kRandomBlocks}) {
    masks.emplace_back().pattern.kind = kind;
    masks.emplace_back(bidirectional()).pattern.kind = kind;
  }
  for (const Mask& mask : masks) {
    SCOPED_TRACE(mask_text(mask));
    const auto bumpy = [](std::int64_t i, std::int64_t j) { return 1.1 + std::sin(static_cast<double>(3 * i * i + 7 * j)); };
    const auto steep = [](std::int64_t i, std::int64_t j) { return std::exp(4 * std::cos(static_cast<double>(i + 5 * j))); };
    const std::vector<Probs> heads{rows_of(kSeq, mask, bumpy), rows_of(kSeq, mask, steep)};
    const auto measured = measure_heads(trace_of(heads, mask), 2);
    ASSERT_EQ(measured.size(), 1u);
    ASSERT_EQ(measured[0].size(), 2u);
    for (std::size_t h = 0; h < 2; ++h)
      expect_equal(measured[0][h], measure_by_definition(heads[h], mask, all_rows(kSeq)));
  }
}

HeadMetrics measure_one(const Probs& probs, const Mask& mask) { return measure_heads(trace_of({probs}, mask), 1)[0][0]; }

TEST(MeasureHeads, NamesThePurePatterns) {
  for (const Mask& mask : {Mask{}, bidirectional()}) {
    const auto pure = [&](auto target) {
      return measure_one(rows_of(7, mask, [&](std::int64_t i, std::int64_t j) { return j == target(i) ? 1.0 : 0.0; }), mask);
    };
    const HeadMetrics previous = pure([](std::int64_t i) { return std::max<std::int64_t>(0, i - 1); });
    EXPECT_TRUE(previous.has_pattern);
    EXPECT_EQ(previous.strongest, HeadPattern::kPreviousToken);
    EXPECT_NEAR(score(previous, HeadPattern::kPreviousToken), 1, kTolerance);
    EXPECT_NEAR(previous.entropy, 0, kTolerance);

    const HeadMetrics first = pure([](std::int64_t) { return std::int64_t{0}; });
    EXPECT_EQ(first.strongest, HeadPattern::kFirstToken);
    EXPECT_NEAR(score(first, HeadPattern::kFirstToken), 1, kTolerance);
    EXPECT_NEAR(score(first, HeadPattern::kBroadcast), 0, kTolerance) << "the first token has its own score";

    const HeadMetrics self = pure([](std::int64_t i) { return i; });
    EXPECT_EQ(self.strongest, HeadPattern::kSelf);
    EXPECT_NEAR(score(self, HeadPattern::kSelf), 1, kTolerance);
    EXPECT_NEAR(score(self, HeadPattern::kBroadcast), 0, kTolerance) << "a token is not broadcast to itself";

    // Token 2 goes to all that may see it, the rest looks at itself.
    const HeadMetrics broadcast = pure([&](std::int64_t i) { return is_visible(mask, 0, i, 2) ? std::int64_t{2} : i; });
    EXPECT_EQ(broadcast.strongest, HeadPattern::kBroadcast);
    EXPECT_NEAR(score(broadcast, HeadPattern::kBroadcast), 1, kTolerance);
  }
}

TEST(MeasureHeads, KnowsUniformAttention) {
  const Probs uniform = rows_of(6, {}, [](auto, auto) { return 1.0; });
  const HeadMetrics metrics = measure_one(uniform, {});
  double entropy = 0, first = 0;
  for (int n = 2; n <= 6; ++n) {
    entropy += std::log(n) / 5;
    first += 1.0 / n / 5;
  }
  EXPECT_NEAR(metrics.entropy, entropy, 1e-6);
  EXPECT_NEAR(metrics.relative_entropy, 1, 1e-6);
  EXPECT_LE(metrics.relative_entropy, 1);
  for (const HeadPattern pattern : {HeadPattern::kPreviousToken, HeadPattern::kFirstToken, HeadPattern::kSelf}) {
    EXPECT_NEAR(score(metrics, pattern), first, kTolerance) << pattern_name(pattern);
  }
  EXPECT_FALSE(metrics.has_pattern);
}

TEST(MeasureHeads, NamesAPatternAtTheThresholdOnly) {
  const auto previous = [](double share) {
    return rows_of(20, {}, [share](std::int64_t i, std::int64_t j) {
      if (i == 0) return 1.0;
      return j == i - 1 ? share : (1 - share) / static_cast<double>(i);
    });
  };
  const HeadMetrics below = measure_one(previous(0.49), {});
  EXPECT_FALSE(below.has_pattern);
  EXPECT_EQ(below.strongest, HeadPattern::kPreviousToken);
  EXPECT_NEAR(score(below, HeadPattern::kPreviousToken), 0.49, kTolerance);
  EXPECT_TRUE(measure_one(previous(0.51), {}).has_pattern);
}

TEST(MeasureHeads, BroadcastNeedsThreeRows) {
  // Causal, 5 tokens: only rows 3 and 4 see token 2 beside itself; row 4 alone sees token 3.
  const Probs late =
      rows_of(5, {}, [](std::int64_t i, std::int64_t j) { return i > 2 ? (j == 2 ? 1.0 : 0.0) : (j == 0 ? 1.0 : 0.0); });
  EXPECT_NEAR(score(measure_one(late, {}), HeadPattern::kBroadcast), 0, kTolerance);
  const Probs early = rows_of(5, {}, [](std::int64_t i, std::int64_t j) { return j == std::min<std::int64_t>(i, 1) ? 1.0 : 0.0; });
  EXPECT_NEAR(score(measure_one(early, {}), HeadPattern::kBroadcast), 1, kTolerance);
}

TEST(MeasureHeads, OfOneTokenOrOnlyBlindRowsAreZero) {
  const Mask blind = test::blind_rows(4, {0, 1, 2, 3}, Direction::kBidirectional);
  for (const HeadMetrics& metrics :
       {measure_one({{1.0}}, {}), measure_one(rows_of(4, blind, [](auto, auto) { return 1.0; }), blind)}) {
    EXPECT_EQ(metrics.entropy, 0);
    EXPECT_EQ(metrics.relative_entropy, 0);
    EXPECT_THAT(metrics.scores, testing::Each(0));
    EXPECT_FALSE(metrics.has_pattern);
  }
}

TEST(MeasureHeads, SamplesRowsEvenly) {
  const Probs probs =
      rows_of(40, {}, [](std::int64_t i, std::int64_t j) { return 1.1 + std::sin(static_cast<double>(i * 3 + j * j)); });
  const ForwardTrace trace = trace_of({probs}, {});
  expect_equal(measure_heads(trace, 1, {.max_rows = 4})[0][0], measure_by_definition(probs, {}, {9, 19, 29, 39}));
  expect_equal(measure_heads(trace, 1, {.max_rows = 1})[0][0], measure_by_definition(probs, {}, {39}));
  expect_equal(measure_heads(trace, 1, {.max_rows = 40})[0][0], measure_by_definition(probs, {}, all_rows(40)));
  expect_equal(measure_heads(trace, 1, {.max_rows = 999})[0][0], measure_by_definition(probs, {}, all_rows(40)));
}

TEST(MeasureHeads, CountsHeadsAsInTheUnprunedModel) {
  ForwardTrace trace = test::arbitrary_trace({.seq = 6, .d_head = 4, .heads = {1, 3}, .kv_head_of = {0, 1}}, {});
  trace.layers[1].heads = {};  // a layer that lost all its heads
  trace.layers[1].kv_head_of = {};
  const auto measured = measure_heads(trace, 5);
  ASSERT_EQ(measured.size(), 2u);
  for (std::size_t h = 0; h < 5; ++h) {
    EXPECT_EQ(measured[0][h].is_pruned, h != 1 && h != 3);
    EXPECT_EQ(measured[0][h].entropy > 0, h == 1 || h == 3);
    EXPECT_TRUE(measured[1][h].is_pruned);
    EXPECT_FALSE(measured[1][h].has_pattern);
  }
}

TEST(MeasureHeads, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(measure_heads(test::arbitrary_trace({}, {}), 4, {.stop = source.get_token()}), Cancelled);
}

TEST(HeadPatterns, HaveNamesAndDefinitionsOfTheirOwn) {
  std::vector<std::string_view> names, definitions;
  for (const HeadPattern pattern : kHeadPatterns) {
    names.push_back(pattern_name(pattern));
    definitions.push_back(pattern_definition(pattern));
    EXPECT_EQ(definitions.back().back(), '.');
  }
  EXPECT_THAT(names, testing::ElementsAre("previous token", "first token", "self", "broadcast"));
  for (std::size_t i = 1; i < definitions.size(); ++i)
    EXPECT_NE(definitions[i - 1], definitions[i]);
}

}  // namespace
}  // namespace headroom
