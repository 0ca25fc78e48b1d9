// Random problems against the reference. Seeds are fixed, so a run tells the same each time; another run begins at HEADROOM_FUZZ_SEED and
// takes HEADROOM_FUZZ_ROUNDS rounds of each kind (1 where only the seed is given: a failing round, again).
#include "tests/attention/fuzz.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

using fuzz::Kind;
using fuzz::Poison;

enum class Which { kNaive, kFlash };

struct Seeds {
  std::uint64_t first, count;
};

Seeds seeds(std::uint64_t count) {
  const char* const first = std::getenv("HEADROOM_FUZZ_SEED");
  const char* const rounds = std::getenv("HEADROOM_FUZZ_ROUNDS");
  if (rounds != nullptr) count = std::strtoull(rounds, nullptr, 10);
  if (first == nullptr) return {1, count};
  return {std::strtoull(first, nullptr, 10), rounds != nullptr ? count : 1};
}

class Fuzz : public testing::TestWithParam<Which> {
 protected:
  void run(std::uint64_t n_rounds, const Kind& kind) {
    ThreadPool pool(2);
    const auto backend = GetParam() == Which::kNaive ? make_naive_backend(pool) : make_flash_backend(pool);
    const auto [first, count] = seeds(n_rounds);
    int n_failed = 0;
    for (std::uint64_t seed = first; seed < first + count && n_failed < 5; ++seed) {
      const std::string wrong = fuzz::check(*backend, fuzz::make_round(seed, kind));
      EXPECT_EQ(wrong, "");
      n_failed += wrong.empty() ? 0 : 1;
    }
  }
};

TEST_P(Fuzz, FiniteScoresAgreeWithTheReference) { run(150, {}); }

TEST_P(Fuzz, ShortRoundsAgreeWithTheReference) { run(400, {.max_seq = 20, .max_d_head = 24}); }

TEST_P(Fuzz, WhatNoRowSeesReachesNoRow) { run(80, {.max_seq = 90, .max_d_head = 70, .poison = Poison::kUnseen}); }

TEST_P(Fuzz, NanAndInfinitiesReachTheRowsThatSeeThemAndNoOthers) {
  run(150, {.max_seq = 90, .max_d_head = 70, .poison = Poison::kAnywhere});
}

TEST_P(Fuzz, ScoresBeyondFloat32StayInTheirRows) { run(80, {.max_seq = 90, .max_d_head = 70, .with_overflow = true}); }

TEST_P(Fuzz, SoftCapsAndBiasesAgreeWithTheReference) {
  run(150, {.max_d_head = 140, .with_terms = true});
  run(60, {.max_seq = 90, .max_d_head = 70, .poison = Poison::kAnywhere, .with_terms = true});
}

TEST(FuzzInstructionSets, EachAgreesWithTheReference) {
  for_each_simd([] {
    ThreadPool pool(2);
    const auto flash = make_flash_backend(pool);
    const auto [first, count] = seeds(60);
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
      for (const Poison poison : {Poison::kNone, Poison::kAnywhere}) {
        EXPECT_EQ(fuzz::check(*flash, fuzz::make_round(seed, {.max_seq = 70, .max_d_head = 140, .poison = poison})), "");
        const Kind terms{.max_seq = 70, .max_d_head = 140, .poison = poison, .with_terms = true};
        EXPECT_EQ(fuzz::check(*flash, fuzz::make_round(seed, terms)), "");
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, Fuzz, testing::Values(Which::kNaive, Which::kFlash),
                         [](const auto& instance) { return instance.param == Which::kNaive ? "naive" : "flash"; });

TEST(FuzzRounds, AreTheSameForTheSameSeedAndDifferOtherwise) {
  std::set<std::string> texts;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const fuzz::Round round = fuzz::make_round(seed, {});
    EXPECT_EQ(validate(round.c.config), std::nullopt) << fuzz::describe(round);
    EXPECT_EQ(fuzz::describe(fuzz::make_round(seed, {})), fuzz::describe(round));
    EXPECT_EQ(fuzz::make_problem(round).q_memory, fuzz::make_problem(round).q_memory);
    texts.insert(fuzz::describe(round));
  }
  EXPECT_EQ(texts.size(), 50U);
}

/// A backend that is wrong in one element by more than rounding explains: the comparison must see it.
class Slightly final : public AttentionBackend {
 public:
  std::string_view name() const override { return "slightly wrong"; }
  Support supports(const AttentionConfig&) const override { return {}; }
  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    make_reference_backend()->run(config, inputs, outputs, stop);
    float& element = outputs.out.row(config.batch - 1, config.n_heads - 1, config.seq_q - 1)[config.d_head - 1];
    element += 1e-4F;
  }
};

TEST(FuzzRounds, SeeASmallError) {
  fuzz::Round round = fuzz::make_round(1, {.max_seq = 30, .max_d_head = 16});
  round.q = round.k = round.v = fuzz::Values::kNormal;
  round.c.config.scale = std::nullopt;
  Slightly slightly;
  EXPECT_NE(fuzz::check(slightly, round), "");
  EXPECT_EQ(fuzz::check(*make_reference_backend(), round), "");
}

}  // namespace
}  // namespace headroom
