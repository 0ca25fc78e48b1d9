#include "core/attention/row_sums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <stop_token>
#include <thread>
#include <vector>

#include "core/tensor/error.h"
#include "tests/attention/conformance_terms.h"
#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

using conformance::Case;
using conformance::is_close;
using conformance::Problem;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// One batch entry of a case: what RowSums takes.
struct Text {
  AttentionConfig config;
  ConstHeadsView q, k;
};

Text text_of(const Case& c, const Problem& problem, std::int64_t b) {
  Text text{c.config, problem.inputs.q, problem.inputs.k};
  text.config.batch = 1;
  if (!c.config.mask.key_lengths.empty()) text.config.mask.key_lengths = {c.config.mask.key_lengths[static_cast<std::size_t>(b)]};
  for (ConstHeadsView* view : {&text.q, &text.k}) {
    view->data += b * view->batch_stride;
    view->batch = 1;
  }
  return text;
}

std::vector<Case> all_cases() {
  std::vector<Case> all = conformance::cases();
  std::ranges::move(conformance::term_cases(), std::back_inserter(all));
  return all;
}

/// By its definition, in double.
RowSummary expected_row(const Text& text, std::int64_t head, std::int64_t row) {
  RowSummary found{-kInfinity, kInfinity, -kInfinity, kInfinity, -kInfinity};
  std::vector<double> scores;
  for (std::int64_t j = 0; j < text.config.seq_k; ++j) {
    if (text.config.is_pruned(head) || !is_visible(text.config.mask, 0, row, j)) continue;
    double score = 0;
    for (std::int64_t c = 0; c < text.config.d_head; ++c) {
      score +=
          static_cast<double>(text.q.row(0, head, row)[c]) * static_cast<double>(text.k.row(0, text.config.kv_head(head), j)[c]);
    }
    score *= static_cast<double>(text.config.effective_scale());
    const auto cap = static_cast<double>(text.config.soft_cap);
    if (cap > 0) score = cap * std::tanh(score / cap);
    if (text.config.position_bias != nullptr)
      score += static_cast<double>(text.config.position_bias->at(head, j - text.config.mask.query_offset - row));
    scores.push_back(score);
    const auto as_float = static_cast<float>(score);
    found.smallest = std::min(found.smallest, as_float);
    found.largest = std::max(found.largest, as_float);
    if (j == 0) continue;
    found.smallest_later = std::min(found.smallest_later, as_float);
    found.largest_later = std::max(found.largest_later, as_float);
  }
  if (scores.empty()) return found;
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores)
    sum += std::exp(score - largest);
  found.logsumexp = static_cast<float>(largest + std::log(sum));
  return found;
}

std::string difference(const RowSummary& actual, const RowSummary& expected, double tolerance) {
  const std::array<std::pair<const char*, float RowSummary::*>, 5> members{{{"logsumexp", &RowSummary::logsumexp},
                                                                            {"smallest", &RowSummary::smallest},
                                                                            {"largest", &RowSummary::largest},
                                                                            {"smallest_later", &RowSummary::smallest_later},
                                                                            {"largest_later", &RowSummary::largest_later}}};
  for (const auto& [name, member] : members) {
    if (!is_close(actual.*member, expected.*member, tolerance))
      return std::string(name) + " is " + std::to_string(actual.*member) + " instead of " + std::to_string(expected.*member);
  }
  return "";
}

void expect_all_rows(const Text& text, double tolerance, ThreadPool* pool) {
  const RowSums sums(text.config, text.q, text.k);
  for (std::int64_t head = 0; head < text.config.n_heads; ++head) {
    sums.compute(head, KeyRange{0, text.config.seq_q}, {}, pool);
    for (std::int64_t row = 0; row < text.config.seq_q; ++row) {
      ASSERT_TRUE(sums.is_known(head, row));
      ASSERT_EQ(difference(sums.row(head, row), expected_row(text, head, row), tolerance), "")
          << "head " << head << ", row " << row;
    }
  }
  EXPECT_EQ(sums.share_known(), 1);
}

bool has_same_bits(const RowSummary& a, const RowSummary& b) {
  const auto bits = [](const RowSummary& row) {
    return std::array{std::bit_cast<std::uint32_t>(row.logsumexp), std::bit_cast<std::uint32_t>(row.smallest),
                      std::bit_cast<std::uint32_t>(row.largest), std::bit_cast<std::uint32_t>(row.smallest_later),
                      std::bit_cast<std::uint32_t>(row.largest_later)};
  };
  return bits(a) == bits(b);
}

TEST(RowSums, AgreeWithTheDefinitionInEveryCase) {
  ThreadPool pool(3);
  int turn = 0;
  for (const Case& c : all_cases()) {
    if (c.config.kv_storage != KvStorage::kFloat32) continue;  // kernels read those themselves
    SCOPED_TRACE(c.name);
    const Problem problem(c);
    for (std::int64_t b = 0; b < c.config.batch; ++b) {
      expect_all_rows(text_of(c, problem, b), 3e-6, ++turn % 2 == 0 ? &pool : nullptr);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(RowSums, AgreeWithEveryInstructionSet) {
  for_each_simd([] {
    for (const Case& c : all_cases()) {
      const bool is_chosen = c.name.starts_with("long_") || c.name.starts_with("terms_bias") || c.name.starts_with("terms_cap") ||
                             c.name.starts_with("d_head_") || c.name.starts_with("mqa_strided");
      if (!is_chosen) continue;
      SCOPED_TRACE(c.name);
      const Problem problem(c);
      expect_all_rows(text_of(c, problem, 0), 3e-6, nullptr);
      if (testing::Test::HasFatalFailure()) return;
    }
  });
}

TEST(RowSums, AgreeOverManyChunksOfKeys) {
  ThreadPool pool(2);
  for (const PatternKind kind : conformance::kPatterns) {
    for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
      Case c = conformance::make_case("chunks", {2, 1, 1030, 1030, 5}, kind, direction);
      c.config.mask.pattern.window = 70;
      c.config.mask.pattern.stride = 129;
      SCOPED_TRACE(mask_text(c.config.mask));
      const Problem problem(c);
      expect_all_rows(text_of(c, problem, 0), 3e-6, &pool);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(RowSums, DoNotDependOnWhoIsAskedForBeside) {
  for (const PatternKind kind : conformance::kPatterns) {
    const Case c = conformance::make_case("alone", {2, 1, 700, 700, 16}, kind);
    SCOPED_TRACE(mask_text(c.config.mask));
    const Problem problem(c);
    const Text text = text_of(c, problem, 0);
    const RowSums together(text.config, text.q, text.k), alone(text.config, text.q, text.k), spread(text.config, text.q, text.k);
    together.compute(1, KeyRange{0, 700});
    std::vector<std::int64_t> every_third;
    for (std::int64_t row = 699; row >= 0; row -= 3)
      every_third.push_back(row);
    spread.compute(1, every_third);
    for (std::int64_t row = 0; row < 700; ++row) {
      EXPECT_TRUE(has_same_bits(alone.row(1, row), together.row(1, row))) << row;
      EXPECT_EQ(spread.is_known(1, row), row % 3 == 0) << row;
      EXPECT_TRUE(has_same_bits(spread.row(1, row), together.row(1, row))) << row;
      EXPECT_FALSE(alone.is_known(0, row));
    }
    EXPECT_EQ(alone.share_known(), 0.5);
  }
}

/// q_i·k_j = s_i t_j with scale 1.
RowSums rank_one(std::vector<float>& q, std::vector<float>& k, Direction direction) {
  AttentionConfig config;
  config.seq_q = std::ssize(q);
  config.seq_k = std::ssize(k);
  config.scale = 1;
  config.mask.direction = direction;
  return RowSums(config, ConstHeadsView::head_major(q.data(), 1, 1, config.seq_q, 1),
                 ConstHeadsView::head_major(k.data(), 1, 1, config.seq_k, 1));
}

TEST(RowSums, OfHugeTinyAndEqualScores) {
  constexpr std::int64_t kKeys = 3000;
  std::vector<float> q{1, 1e-30F, -40, 1e4F, 0}, k(kKeys, 2.5F);
  const RowSums equal = rank_one(q, k, Direction::kBidirectional);
  for (std::int64_t row = 0; row < 5; ++row) {
    const double score = static_cast<double>(q[static_cast<std::size_t>(row)]) * 2.5;
    EXPECT_NEAR(equal.logsumexp(0, row), score + std::log(3000.0), 3e-6 + 1e-6 * std::abs(score)) << row;
    EXPECT_EQ(equal.row(0, row).largest, equal.row(0, row).smallest);
  }
  for (std::size_t j = 0; j < k.size(); ++j)
    k[j] = static_cast<float>(j) - 1500;  // from -1500 to 1499: all but the end vanishes
  const RowSums steep = rank_one(q, k, Direction::kBidirectional);
  EXPECT_NEAR(steep.logsumexp(0, 0), 1499 - std::log(1 - std::exp(-1.0)), 3e-4);
  EXPECT_NEAR(steep.logsumexp(0, 1), std::log(3000.0), 3e-6);
  EXPECT_FLOAT_EQ(steep.logsumexp(0, 2), 60000);
  EXPECT_FLOAT_EQ(steep.logsumexp(0, 3), 1.499e7F);
  EXPECT_EQ(steep.row(0, 3).smallest, -1.5e7F);
  EXPECT_EQ(steep.row(0, 2).smallest_later, -59960);
  EXPECT_EQ(steep.row(0, 2).largest_later, 59960);  // key 0 has the largest
}

TEST(RowSums, OfNanScoresAreNanAndKnown) {
  std::vector<float> q{1, 1, 1}, k{0.5F, std::numeric_limits<float>::quiet_NaN(), 0.5F};
  const RowSums sums = rank_one(q, k, Direction::kCausal);
  EXPECT_FLOAT_EQ(sums.logsumexp(0, 0), 0.5F);
  EXPECT_TRUE(std::isnan(sums.logsumexp(0, 1)));
  EXPECT_TRUE(std::isnan(sums.logsumexp(0, 2)));
  EXPECT_EQ(sums.share_known(), 1);
}

TEST(RowSums, OfALongRowLoseLittle) {
  // A hundred thousand terms of which none stands out.
  std::vector<float> q{1}, k(100'000);
  double sum = 0;
  for (std::size_t j = 0; j < k.size(); ++j) {
    k[j] = static_cast<float>(std::sin(static_cast<double>(j) * 0.7) * 0.3);
    sum += std::exp(static_cast<double>(k[j]));
  }
  EXPECT_NEAR(rank_one(q, k, Direction::kBidirectional).logsumexp(0, 0), std::log(sum), 2e-6);
}

TEST(RowSums, FromManyThreadsAreTheSame) {
  const Case c = conformance::make_case("threads", {3, 1, 300, 300, 8});
  const Problem problem(c);
  const Text text = text_of(c, problem, 0);
  const RowSums alone(text.config, text.q, text.k), shared(text.config, text.q, text.k);
  for (std::int64_t head = 0; head < 3; ++head)
    alone.compute(head, KeyRange{0, 300});
  {
    std::vector<std::jthread> threads;
    for (std::int64_t t = 0; t < 6; ++t) {
      threads.emplace_back([&shared, t] {
        ThreadPool pool(2);
        for (std::int64_t turn = 0; turn < 12; ++turn) {
          const std::int64_t head = (turn + t) % 3, begin = (turn * 71 + t * 13) % 250;
          if (t % 2 == 0) {
            shared.compute(head, KeyRange{begin, begin + 50}, {}, &pool);
          } else {
            for (std::int64_t row = begin; row < begin + 50; row += 7)
              static_cast<void>(shared.logsumexp(head, row));
          }
          EXPECT_LE(shared.share_known(), 1);
        }
        for (std::int64_t head = 0; head < 3; ++head)
          shared.compute(head, KeyRange{0, 300});
      });
    }
  }
  EXPECT_EQ(shared.share_known(), 1);
  for (std::int64_t head = 0; head < 3; ++head) {
    for (std::int64_t row = 0; row < 300; ++row)
      EXPECT_TRUE(has_same_bits(shared.row(head, row), alone.row(head, row)));
  }
}

TEST(RowSums, StopWhenAskedAndKeepWhatIsFinished) {
  const Case c = conformance::make_case("stop", {1, 1, 400, 400, 4});
  const Problem problem(c);
  const Text text = text_of(c, problem, 0);
  const RowSums sums(text.config, text.q, text.k);
  sums.compute(0, KeyRange{0, 100});
  std::stop_source source;
  source.request_stop();
  ThreadPool pool(2);
  EXPECT_THROW(sums.compute(0, KeyRange{0, 400}, source.get_token()), Cancelled);
  EXPECT_THROW(sums.compute(0, KeyRange{0, 400}, source.get_token(), &pool), Cancelled);
  EXPECT_EQ(sums.share_known(), 0.25);
  EXPECT_NO_THROW(sums.compute(0, KeyRange{0, 100}, source.get_token()));  // nothing left to do
  EXPECT_NO_THROW(sums.compute(0, KeyRange{40, 40}));
}

TEST(RowSums, RefuseWhatDoesNotFit) {
  const Case c = conformance::make_case("wrong", {2, 1, 8, 8, 4});
  const Problem problem(c);
  const Text good = text_of(c, problem, 0);
  const auto refuse = [&](auto change) {
    Text text = good;
    change(text);
    EXPECT_THROW(RowSums(text.config, text.q, text.k), ShapeError);
  };
  refuse([](Text& text) { text.config.batch = 2; });
  refuse([](Text& text) { text.config.d_head = 0; });
  refuse([](Text& text) { text.q.seq = 9; });
  refuse([](Text& text) { text.k.n_heads = 2; });
  refuse([](Text& text) { text.k.data = nullptr; });
  const RowSums sums(good.config, good.q, good.k);
  EXPECT_THROW(sums.row(2, 0), ShapeError);
  EXPECT_THROW(sums.row(-1, 0), ShapeError);
  EXPECT_THROW(sums.is_known(0, 8), ShapeError);
  EXPECT_THROW(sums.compute(0, KeyRange{4, 9}), ShapeError);
}

}  // namespace
}  // namespace headroom
