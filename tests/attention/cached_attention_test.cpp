// Attention over pages of every format against the reference on the rows that the pages hold. As in fuzz_test.cpp, HEADROOM_FUZZ_SEED and
// HEADROOM_FUZZ_ROUNDS choose other rounds.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>

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

struct Small {
  explicit Small(RowFormat format, const conformance::Sizes& sizes = {4, 2, 2, 100, 40}) {
    round.seed = 5;
    round.c = conformance::make_case("small", sizes);
    round.c.config.mask.query_offset = sizes.seq_k - sizes.seq_q;
    problem.emplace(fuzz::make_problem(round));
    cache = cached::make_cache(round.c.config, *problem, {format, 16, Order::kAsTheyCame, 1});
    answer.emplace(round.c, false);
  }
  CachedOutputs outputs() { return {answer->out, answer->logsumexp, {}}; }

  fuzz::Round round;
  std::optional<conformance::Problem> problem;  ///< what the pages hold
  std::optional<conformance::Answer> answer;
  Cache cache;
};

/// Largest scale of a row that a head reads.
struct Scales {
  double k = 0, v = 0;
};
Scales largest_scales(const CachedPages& pages, std::int64_t kv_head) {
  Scales scales;
  for (std::int64_t slot = 0; slot < pages.n_rows; ++slot) {
    const PageLayout& layout = pages.layout;
    const std::byte* const part = pages.pages[static_cast<std::size_t>(slot / layout.page_rows)];
    const std::int64_t at = layout.scale_at(kv_head, slot % layout.page_rows);
    float k = 0, v = 0;
    std::memcpy(&k, part + layout.k_scales + at, sizeof k);
    std::memcpy(&v, part + layout.v_scales + at, sizeof v);
    scales = {std::max(scales.k, static_cast<double>(k)), std::max(scales.v, static_cast<double>(v))};
  }
  return scales;
}

TEST(CachedAttention, IntegersStayWithinTheStatedBoundOfTheExactAnswer) {
  ThreadPool pool(2);
  CachedAttention attention(pool);
  for (const RowFormat format : {RowFormat::kInt8, RowFormat::kInt4}) {
    Small small(format);
    const AttentionConfig& config = small.round.c.config;
    attention.run(config, small.problem->inputs.q, small.cache.pages, small.outputs());
    const conformance::Problem exact = fuzz::make_problem(small.round);
    conformance::Answer expected(small.round.c, false);
    make_reference_backend()->run(config, exact.inputs, expected.outputs());
    double worst = 0;
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      const Scales scales = largest_scales(small.cache.pages, config.kv_head(head));
      double largest_v = 0;
      for (std::int64_t j = 0; j < config.seq_k; ++j) {
        for (std::int64_t c = 0; c < config.d_head; ++c)
          largest_v = std::max(largest_v, std::abs(static_cast<double>(exact.inputs.v.row(0, config.kv_head(head), j)[c])));
      }
      for (std::int64_t i = 0; i < config.seq_q; ++i) {
        double q_size = 0;
        for (std::int64_t c = 0; c < config.d_head; ++c)
          q_size += std::abs(static_cast<double>(exact.inputs.q.row(0, head, i)[c]));
        const double e = static_cast<double>(config.effective_scale()) * q_size * scales.k / 2;
        const auto row = static_cast<std::size_t>(head * config.seq_q + i);
        EXPECT_LE(std::abs(static_cast<double>(small.answer->logsumexp[row] - expected.logsumexp[row])), e + 1e-5);
        for (std::int64_t c = 0; c < config.d_head; ++c) {
          const double change =
              std::abs(static_cast<double>(small.answer->out.row(0, head, i)[c] - expected.out.row(0, head, i)[c]));
          EXPECT_LE(change, std::expm1(2 * e) * largest_v + scales.v / 2 + 1e-5);
          worst = std::max(worst, change);
        }
      }
    }
    EXPECT_GT(worst, format == RowFormat::kInt8 ? 1e-4 : 1e-2);  // it is another answer, and the bound not idle
  }
}

TEST(CachedAttention, CountsWhatItReads) {
  ThreadPool pool(2);
  CachedAttention attention(pool);
  for (const RowFormat format : cached::kFormats) {
    Small small(format, {8, 2, 1, 640, 33});
    AttentionConfig config = small.round.c.config;
    CachedOutputs outputs = small.outputs();
    AttentionWork work;
    outputs.work = &work;
    const auto row = static_cast<double>(row_bytes(format, 33).total());
    attention.run(config, small.problem->inputs.q, small.cache.pages, outputs);
    EXPECT_EQ(work.flops, 4.0 * 640 * 8 * 33);
    EXPECT_EQ(work.bytes_moved, 2 * 640 * 2 * row + 8 * 8 * 33.0);
    config.mask.pattern.kind = PatternKind::kLocalWindow;
    config.mask.pattern.window = 100;
    config.pruned = {0, 0, 0, 1, 1, 1, 1, 1};
    attention.run(config, small.problem->inputs.q, small.cache.pages, outputs);
    EXPECT_EQ(work.flops, 4.0 * 100 * 3 * 33);
    EXPECT_EQ(work.bytes_moved, 2 * 100 * 1 * row + 8 * 3 * 33.0);
    EXPECT_GT(work.bytes_allocated, 0);
  }
}

TEST(CachedAttention, AnEmptyCacheGivesZeros) {
  ThreadPool pool(2);
  CachedAttention attention(pool);
  Small small(RowFormat::kInt8);
  CachedPages empty = small.cache.pages;
  empty.n_rows = 0;
  empty.pages = {};
  attention.run(small.round.c.config, small.problem->inputs.q, empty, small.outputs());
  for (const float sum : small.answer->logsumexp)
    EXPECT_EQ(sum, -INFINITY);
  for (const float value : small.answer->out_memory)
    EXPECT_EQ(value, 0);
}

TEST(CachedAttention, RefusesWhatDoesNotFitWithASentence) {
  ThreadPool pool(1);
  CachedAttention attention(pool);
  Small small(RowFormat::kInt8);
  const AttentionConfig good = small.round.c.config;
  const auto refuses = [&](const AttentionConfig& config, const CachedPages& pages, const CachedOutputs& outputs,
                           const char* word) {
    try {
      attention.run(config, small.problem->inputs.q, pages, outputs);
      ADD_FAILURE() << "not refused: " << word;
    } catch (const ShapeError& error) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  };
  const CachedPages pages = small.cache.pages;
  AttentionConfig config = good;
  config.dropout = Dropout{0.5F, 1};
  refuses(config, pages, small.outputs(), "dropout");
  config = good;
  config.batch = 2;
  refuses(config, pages, small.outputs(), "batch");
  config = good;
  config.d_head = 300;
  refuses(config, pages, small.outputs(), "d_head");
  config = good;
  config.n_kv_heads = 4;
  refuses(config, pages, small.outputs(), "the cache holds 2 heads");
  CachedPages wrong = pages;
  wrong.n_rows = 113;
  refuses(good, wrong, small.outputs(), "113 rows need 8");
  wrong = pages;
  wrong.positions = std::span(small.cache.positions).first(7);
  refuses(good, wrong, small.outputs(), "positions");
  std::vector<const std::byte*> parts(small.cache.parts);
  parts[3] = nullptr;
  wrong = pages;
  wrong.pages = parts;
  refuses(good, wrong, small.outputs(), "points to nothing");
  CachedOutputs outputs = small.outputs();
  outputs.logsumexp = outputs.logsumexp.first(1);
  refuses(good, pages, outputs, "logsumexp");
  outputs = small.outputs();
  std::vector<float> probs(3);
  outputs.probs = probs;
  refuses(good, pages, outputs, "probs");
}

TEST(CachedAttention, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  for (const int n_threads : {1, 2}) {
    ThreadPool pool(n_threads);
    CachedAttention attention(pool);
    Small small(RowFormat::kInt4);
    EXPECT_THROW(attention.run(small.round.c.config, small.problem->inputs.q, small.cache.pages, small.outputs(), stop.get_token()),
                 Cancelled);
  }
}

}  // namespace
}  // namespace headroom
