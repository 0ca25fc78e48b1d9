// What is particular to flash: its exponential, every instruction set, rows that share a block, and memory it must not read.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/attention/flash_kernel.h"
#include "tests/attention/conformance.h"
#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Exp2, ErrorStaysBelowItsBound) {
  for_each_simd([] {
    double largest = 0;
    constexpr int kBlock = 1 << 14;
    std::vector<float> values(kBlock);
    for (int begin = 0; begin < 126 * kBlock;
         begin += kBlock) {  // 2 million points of [-126, 0], denser near 0 with the second half
      for (int i = 0; i < kBlock; ++i) {
        const double t = static_cast<double>(begin + i) / (126.0 * kBlock);
        values[static_cast<std::size_t>(i)] = static_cast<float>(i % 2 == 0 ? -126 * t : -t * t);
      }
      std::vector<float> powers = values;
      flash_detail::exp2_each(powers);
      for (std::size_t i = 0; i < powers.size(); ++i) {
        const double exact = std::exp2(static_cast<double>(values[i]));
        largest = std::max(largest, std::abs(static_cast<double>(powers[i]) / exact - 1));
      }
    }
    EXPECT_LE(largest, 2.5e-7);
    EXPECT_GT(largest, 1e-8) << "the comparison measured nothing";
  });
}

TEST(Exp2, EdgesAreExact) {
  for_each_simd([] {
    std::vector<float> values{0, -0.0F, -1, -126, -126.001F, -1000, -3e38F, -kInfinity, std::nanf("")};
    flash_detail::exp2_each(values);
    const std::vector<float> expected{1, 1, 0.5F, std::ldexp(1.0F, -126), 0, 0, 0, 0};
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(values[i], expected[i]) << i;
    }
    EXPECT_TRUE(std::isnan(values.back()));
  });
}

TEST(Flash, ConformsOnEveryInstructionSet) {
  for_each_simd([] {
    ThreadPool pool(2);
    const auto flash = make_flash_backend(pool);
    for (const conformance::Case& c : conformance::cases()) {
      EXPECT_EQ(conformance::check(*flash, c), "");
    }
  });
}

TEST(Flash, AThreadMoreOrLessChangesNoBit) {
  const conformance::Case c = conformance::make_case("threads", {6, 2, 200, 200, 40});
  const conformance::Problem problem(c);
  conformance::Answer one(c, false), three(c, false);
  ThreadPool pool_of_one(1), pool_of_three(3);
  make_flash_backend(pool_of_one)->run(c.config, problem.inputs, one.outputs());
  make_flash_backend(pool_of_three)->run(c.config, problem.inputs, three.outputs());
  EXPECT_EQ(one.out_memory, three.out_memory);
  EXPECT_EQ(one.logsumexp, three.logsumexp);
}

TEST(Flash, PaddingIsNeverRead) {
  conformance::Case c = conformance::make_case("padding", {4, 2, 30, 30, 12}, PatternKind::kDense, Direction::kBidirectional);
  c.config.mask.key_lengths = {17};
  conformance::Problem clean(c), dirty(c);
  for (std::int64_t h = 0; h < 2; ++h) {
    for (std::int64_t j = 17; j < 30; ++j) {
      for (std::int64_t d = 0; d < 12; ++d) {
        dirty.k_memory[static_cast<std::size_t>((h * 30 + j) * 12 + d)] = std::nanf("");
        dirty.v_memory[static_cast<std::size_t>((h * 30 + j) * 12 + d)] = std::nanf("");
      }
    }
  }
  ThreadPool pool(1);
  conformance::Answer expected(c, false), actual(c, false);
  make_flash_backend(pool)->run(c.config, clean.inputs, expected.outputs());
  make_flash_backend(pool)->run(c.config, dirty.inputs, actual.outputs());
  EXPECT_EQ(actual.out_memory, expected.out_memory);
  EXPECT_EQ(actual.logsumexp, expected.logsumexp);
}

TEST(Flash, PrunedHeadsAreNeverRead) {
  conformance::Case c = conformance::make_case("pruned", {2, 2, 9, 9, 4});
  c.config.pruned = {1, 0};
  conformance::Problem problem(c);
  std::fill_n(problem.q_memory.begin(), 36, std::nanf(""));
  std::fill_n(problem.k_memory.begin(), 36, std::nanf(""));
  std::fill_n(problem.v_memory.begin(), 36, std::nanf(""));
  ThreadPool pool(1);
  conformance::Answer answer(c, false);
  make_flash_backend(pool)->run(c.config, problem.inputs, answer.outputs());
  for (const float value : answer.out_memory) {
    EXPECT_TRUE(std::isfinite(value));
  }
  EXPECT_EQ(answer.logsumexp[0], -kInfinity);
  EXPECT_TRUE(std::isfinite(answer.logsumexp[9]));
}

TEST(Flash, ANotANumberIsNotHidden) {
  const conformance::Case c = conformance::make_case("nan", {1, 1, 5, 5, 4});
  conformance::Problem problem(c);
  problem.q_memory[3 * 4] = std::nanf("");
  ThreadPool pool(1);
  std::vector<std::unique_ptr<AttentionBackend>> backends;
  backends.push_back(make_reference_backend());
  backends.push_back(make_naive_backend(pool));
  backends.push_back(make_flash_backend(pool));
  for (const auto& backend : backends) {
    conformance::Answer answer(c, false);
    backend->run(c.config, problem.inputs, answer.outputs());
    EXPECT_TRUE(std::isnan(answer.out.row(0, 0, 3)[0])) << backend->name();
    EXPECT_TRUE(std::isnan(answer.logsumexp[3])) << backend->name();
    EXPECT_TRUE(std::isfinite(answer.out.row(0, 0, 2)[0])) << backend->name();
  }
}

}  // namespace
}  // namespace headroom
