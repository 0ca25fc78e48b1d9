// Attention over pages of every format against the reference on the rows that the pages hold. As in fuzz_test.cpp, HEADROOM_FUZZ_SEED and
// HEADROOM_FUZZ_ROUNDS choose other rounds.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <set>

#include "core/attention/cached_call.h"
#include "core/tensor/error.h"
#include "tests/attention/cached_problem.h"
#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

using cached::Cache;
using cached::CacheKind;
using cached::Order;
using fuzz::Kind;
using fuzz::Poison;

using Runner = std::function<void(const AttentionConfig&, const ConstHeadsView&, const CachedPages&, const CachedOutputs&)>;

/// The probabilities of the last query, brought from positions to slots.
std::vector<float> probs_by_slot(const AttentionConfig& config, const Cache& cache, const conformance::Answer& expected) {
  const std::int64_t n_rows = cache.pages.n_rows;
  std::vector<float> probs(static_cast<std::size_t>(config.n_heads * n_rows), 0.0F);
  for (std::int64_t head = 0; head < config.n_heads; ++head) {
    const std::int64_t row = head * config.seq_q + config.seq_q - 1;
    for (std::int64_t slot = 0; slot < n_rows; ++slot) {
      const std::int32_t position = cache.positions[static_cast<std::size_t>(config.kv_head(head) * n_rows + slot)];
      if (position < 0) continue;
      probs[static_cast<std::size_t>(head * n_rows + slot)] =
          expected.probs[static_cast<std::size_t>(row * config.seq_k + position)];
    }
  }
  return probs;
}

/// Rounding moves a score by at most `score`, and so a probability by that share of it twice.
std::string compare_probs(const std::vector<float>& actual, const std::vector<float>& expected, std::int64_t n_rows,
                          const std::function<fuzz::RowBound(std::int64_t head)>& bound_of) {
  fuzz::RowBound bound;
  for (std::size_t at = 0; at < expected.size(); ++at) {
    const std::int64_t head = static_cast<std::int64_t>(at) / n_rows, slot = static_cast<std::int64_t>(at) % n_rows;
    if (slot == 0) bound = bound_of(head);
    if (bound.is_out_of_range || bound.is_touched) continue;
    const double growth = 2 * bound.score > 80 ? 1e30 : std::expm1(2 * bound.score) + 4e-6;
    const double allowed = std::min(1.0 + 1e-6, static_cast<double>(expected[at]) * growth + 1e-37);
    if (std::abs(static_cast<double>(actual[at]) - static_cast<double>(expected[at])) <= allowed) continue;
    const std::string where = "the probability of head " + std::to_string(head) + ", slot " + std::to_string(slot);
    return fuzz::difference(where, actual[at], expected[at], allowed);
  }
  return "";
}

double exact_flops(const AttentionConfig& config) {
  double flops = 0;
  for (std::int64_t head = 0; head < config.n_heads; ++head) {
    if (config.is_pruned(head)) continue;
    flops += 4.0 * static_cast<double>(count_visible(config.mask, 0, config.seq_q, config.seq_k) * config.d_head);
  }
  return flops;
}

std::string check(const fuzz::Round& round, const CacheKind& kind, const Runner& run) {
  const AttentionConfig& config = round.c.config;
  conformance::Problem problem = fuzz::make_problem(round);
  const Cache cache = cached::make_cache(config, problem, kind);
  conformance::Answer expected(round.c, true), actual(round.c, false);
  make_reference_backend()->run(config, problem.inputs, expected.outputs());
  std::vector<float> probs(static_cast<std::size_t>(config.n_heads * cache.pages.n_rows), conformance::Answer::kMarker);
  AttentionWork work;
  run(config, problem.inputs.q, cache.pages, {actual.out, actual.logsumexp, probs, &work});
  std::string wrong = fuzz::compare(round, problem, actual, expected);
  const fuzz::RowBounds bounds(round, problem, expected);
  if (wrong.empty())
    wrong = compare_probs(probs, probs_by_slot(config, cache, expected), cache.pages.n_rows,
                          [&](std::int64_t head) { return bounds.at(0, head, config.seq_q - 1); });
  if (wrong.empty() && work.flops != exact_flops(config))
    wrong = "counted " + std::to_string(work.flops) + " flops instead of " + std::to_string(exact_flops(config));
  return wrong.empty() ? wrong : wrong + "\n  in " + cached::describe(round, kind);
}

void check_rounds(std::uint64_t n_rounds, const Kind& kind, const Runner& run) {
  const char* const seed = std::getenv("HEADROOM_FUZZ_SEED");
  const char* const rounds = std::getenv("HEADROOM_FUZZ_ROUNDS");
  const std::uint64_t first = seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
  const std::uint64_t count = rounds != nullptr ? std::strtoull(rounds, nullptr, 10) : seed != nullptr ? 1 : n_rounds;
  int n_failed = 0;
  for (std::uint64_t at = first; at < first + count && n_failed < 5; ++at) {
    const fuzz::Round round = cached::make_round(at, kind);
    const std::string wrong = check(round, cached::make_kind(round), run);
    EXPECT_EQ(wrong, "");
    n_failed += wrong.empty() ? 0 : 1;
  }
}

class CachedAttentionFuzz : public testing::Test {
 protected:
  Runner kernel() {
    return [this](const auto& config, const auto& q, const auto& pages, const auto& outputs) {
      attention_.run(config, q, pages, outputs);
    };
  }
  ThreadPool pool_{2};
  CachedAttention attention_{pool_};
};

TEST_F(CachedAttentionFuzz, AgreesWithTheReference) { check_rounds(250, {.max_d_head = 140}, kernel()); }
TEST_F(CachedAttentionFuzz, FewTokensAgreeWithTheReference) { check_rounds(400, {.max_seq = 20, .max_d_head = 70}, kernel()); }
TEST_F(CachedAttentionFuzz, SoftCapsAndBiasesAgreeWithTheReference) {
  check_rounds(200, {.max_d_head = 90, .with_terms = true}, kernel());
}
TEST_F(CachedAttentionFuzz, WhatNoRowSeesReachesNoRow) {
  check_rounds(100, {.max_seq = 90, .max_d_head = 70, .poison = Poison::kUnseen}, kernel());
}
TEST_F(CachedAttentionFuzz, NanAndInfinitiesReachTheRowsThatSeeThemAndNoOthers) {
  check_rounds(150, {.max_seq = 90, .max_d_head = 70, .poison = Poison::kAnywhere}, kernel());
}
TEST_F(CachedAttentionFuzz, ScoresBeyondFloat32StayInTheirRows) {
  check_rounds(80, {.max_seq = 90, .max_d_head = 70, .with_overflow = true}, kernel());
}
TEST_F(CachedAttentionFuzz, EachInstructionSetAgreesWithTheReference) {
  for_each_simd([&] { check_rounds(60, {.max_seq = 90, .max_d_head = 140, .with_terms = true}, kernel()); });
}

TEST(CachedAttentionPlain, AgreesWithTheReference) {
  const Runner plain = [](const auto& config, const auto& q, const auto& pages, const auto& outputs) {
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      AttentionWork work;
      if (config.is_pruned(head)) {  // not its task: what it should leave alone
        for (std::int64_t i = 0; i < config.seq_q; ++i) {
          std::fill_n(outputs.out.row(0, head, i), config.d_head, 0.0F);
          outputs.logsumexp[static_cast<std::size_t>(head * config.seq_q + i)] = -INFINITY;
        }
        std::fill_n(outputs.probs.begin() + head * pages.n_rows, pages.n_rows, 0.0F);
        continue;
      }
      cached_detail::run_plain_head({config, q, pages, outputs}, head, work);
      outputs.work->flops += work.flops;
    }
  };
  check_rounds(150, {.max_seq = 60, .max_d_head = 70, .with_terms = true}, plain);
  check_rounds(60, {.max_seq = 60, .max_d_head = 40, .poison = Poison::kAnywhere}, plain);
}

TEST(CachedAttention, EveryFormatPageAndOrderAgreesOnAnyNumberOfThreads) {
  for (const int n_threads : {1, 3}) {
    ThreadPool pool(n_threads);
    CachedAttention attention(pool);
    const Runner run = [&](const auto& config, const auto& q, const auto& pages, const auto& outputs) {
      attention.run(config, q, pages, outputs);
    };
    for (const auto& sizes : std::vector<conformance::Sizes>{{1, 1, 1, 1700, 64}, {12, 1, 1, 520, 48}, {4, 2, 3, 600, 33}}) {
      fuzz::Round round;
      round.seed = 3;
      round.c = conformance::make_case("pages", sizes);
      round.c.config.mask.query_offset = sizes.seq_k - sizes.seq_q;
      for (const RowFormat format : cached::kFormats) {
        for (const std::int64_t page_rows : {1, 3, 16, 64, 4096}) {
          const Order order = page_rows % 3 == 1 ? Order::kShuffled : Order::kAsTheyCame;
          EXPECT_EQ(check(round, {format, page_rows, order, 9}, run), "");
        }
      }
    }
  }
}

}  // namespace
}  // namespace headroom
