#include "core/attention/linear_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/tensor/error.h"
#include "tests/attention/conformance.h"
#include "tests/tensor/each_simd.h"

namespace headroom {
namespace {

using conformance::Case;
using conformance::Layout;
using conformance::Sizes;

Case linear_case(std::string name, const Sizes& sizes, Direction direction = Direction::kCausal) {
  return conformance::make_case(std::move(name), sizes, PatternKind::kDense, direction);
}

std::vector<Case> linear_cases() {
  std::vector<Case> cases;
  int turn = 0;
  for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
    const std::string end = direction == Direction::kCausal ? "_causal" : "_bidirectional";
    for (const std::int64_t d_head : {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 48, 49, 64, 65, 100, 128, 256}) {
      cases.push_back(linear_case("d_head_" + std::to_string(d_head) + end, {2, 1, 59, 59, d_head}, direction));
      cases.back().layout = static_cast<Layout>(turn++ % 3);
    }
    for (const std::int64_t seq : {1, 2, 11, 12, 13, 23, 24, 25, 47, 48, 49, 96, 97, 300, 1100, 2000}) {
      cases.push_back(linear_case("seq_" + std::to_string(seq) + end, {3, 3, seq, seq, 16}, direction));
      cases.back().layout = static_cast<Layout>(turn++ % 3);
    }
    for (const auto& [seq_q, seq_k] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 300}, {70, 2000}, {300, 1}, {130, 50}, {2000, 1300}}) {
      for (const std::int64_t offset : {0, 1, 100, 1950}) {
        cases.push_back(linear_case(std::to_string(seq_q) + "x" + std::to_string(seq_k) + "_offset_" + std::to_string(offset) + end,
                                    {2, 1, seq_q, seq_k, 20}, direction));
        cases.back().config.mask.query_offset = offset;
      }
    }
    cases.push_back(linear_case("batch" + end, {4, 2, 61, 61, 12}, direction));
    cases.back().config.batch = 4;
    cases.back().config.mask.key_lengths = {61, 0, 1, 50};
    cases.back().layout = Layout::kInterleaved;
    cases.push_back(linear_case("long_batch" + end, {2, 1, 1500, 1500, 8}, direction));
    cases.back().config.batch = 3;
    cases.back().config.mask.key_lengths = {1500, 700, 1};
    cases.push_back(linear_case("pruned" + end, {6, 3, 50, 50, 8}, direction));
    cases.back().config.pruned = {0, 1, 0, 0, 1, 1};
    cases.push_back(linear_case("all_pruned" + end, {3, 3, 5, 5, 8}, direction));
    cases.back().config.pruned = {1, 1, 1};
    cases.push_back(linear_case("uneven_groups" + end, {5, 3, 60, 60, 8}, direction));
    cases.back().config.kv_head_of = {2, 0, 2, 0, 0};
    cases.push_back(linear_case("large_values" + end, {2, 2, 120, 120, 24}, direction));
    cases.back().spread = 20;
  }
  return cases;
}

struct LinearAnswer {
  conformance::Answer answer;
  explicit LinearAnswer(const Case& c) : answer(c, false) {}
  LinearAttentionOutputs outputs() { return {answer.out, answer.logsumexp, nullptr}; }  // logsumexp's place holds the normalisers
};

std::string compare(const Case& c, const LinearAnswer& actual, const LinearAnswer& expected) {
  Case with_tolerance = c;
  with_tolerance.out_tolerance = 2e-5;
  const std::string wrong = conformance::compare_out(with_tolerance, actual.answer, expected.answer);
  return wrong.empty() ? conformance::compare_spans("normaliser", actual.answer.logsumexp, expected.answer.logsumexp, 1e-5) : wrong;
}

TEST(LinearAttentionTest, AgreesWithItsReferenceOnEveryInstructionSet) {
  ThreadPool pool_of_one(1), pool_of_three(3);
  LinearAttention one(pool_of_one), three(pool_of_three);
  for (const Case& c : linear_cases()) {
    const conformance::Problem problem(c);
    LinearAnswer expected(c);
    linear_attention_reference(c.config, problem.inputs, expected.outputs());
    for_each_simd([&] {
      for (LinearAttention* const attention : {&one, &three}) {
        LinearAnswer actual(c);
        attention->run(c.config, problem.inputs, actual.outputs());
        EXPECT_EQ(compare(c, actual, expected), "") << c.name << (attention == &one ? ", one thread" : ", three threads");
      }
    });
  }
}

TEST(LinearAttentionTest, ReferenceIsWhatTheFormulaSays) {
  const float q[] = {1, -1}, k[] = {0.5F, -2, 2, 0}, v[] = {3, 4, -5, 6};
  AttentionConfig config{.d_head = 2, .seq_q = 1, .seq_k = 2};
  config.mask.direction = Direction::kBidirectional;
  const auto view = [](const float* data, std::int64_t seq) { return ConstHeadsView::head_major(data, 1, 1, seq, 2); };
  float out[2], normaliser[1];
  linear_attention_reference(config, {view(q, 1), view(k, 2), view(v, 2)}, {HeadsView::head_major(out, 1, 1, 1, 2), normaliser});
  const double e = std::exp(-1.0), w0 = 2 * 1.5 + e * std::exp(-2.0), w1 = 2 * 3 + e * 1;
  EXPECT_NEAR(normaliser[0], w0 + w1, 1e-6);
  EXPECT_NEAR(out[0], (w0 * 3 - w1 * 5) / (w0 + w1), 1e-6);
  EXPECT_NEAR(out[1], (w0 * 4 + w1 * 6) / (w0 + w1), 1e-6);
}

TEST(LinearAttentionTest, ARowWithoutKeysAndAPrunedHeadAreZero) {
  ThreadPool pool(2);
  LinearAttention attention(pool);
  Case c = linear_case("", {2, 1, 60, 60, 5}, Direction::kBidirectional);
  c.config.batch = 2;
  c.config.mask.key_lengths = {0, 60};
  c.config.pruned = {0, 1};
  const conformance::Problem problem(c);
  LinearAnswer actual(c);
  attention.run(c.config, problem.inputs, actual.outputs());
  for (std::int64_t i = 0; i < 60; ++i) {
    for (std::int64_t d = 0; d < 5; ++d) {
      EXPECT_EQ(actual.answer.out.row(0, 0, i)[d], 0);
      EXPECT_EQ(actual.answer.out.row(1, 1, i)[d], 0);
      EXPECT_NE(actual.answer.out.row(1, 0, i)[d], 0);
    }
    EXPECT_EQ(actual.answer.logsumexp[static_cast<std::size_t>(i)], 0);
  }
}

TEST(LinearAttentionTest, NanReachesTheRowsThatSeeItAndNoOthers) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  ThreadPool pool(2);
  LinearAttention attention(pool);
  for (const std::int64_t at : {0, 1, 30, 47, 48, 100, 148, 149}) {
    for (const int which : {0, 1, 2, 3}) {
      Case c = linear_case("", {1, 1, 149, 160, 20});
      conformance::Problem problem(c);
      if (which == 0) problem.k_memory[static_cast<std::size_t>(at * 20 + 3)] = kNan;
      if (which == 1) problem.v_memory[static_cast<std::size_t>(at * 20 + 7)] = kNan;
      if (which == 2) problem.v_memory[static_cast<std::size_t>(at * 20 + 7)] = -kInfinity;
      if (which == 3 && at < 149) problem.q_memory[static_cast<std::size_t>(at * 20 + 7)] = kNan;
      LinearAnswer expected(c), actual(c);
      linear_attention_reference(c.config, problem.inputs, expected.outputs());
      attention.run(c.config, problem.inputs, actual.outputs());
      EXPECT_EQ(compare(c, actual, expected), "") << "kind " << which << " at " << at;
    }
  }
}

TEST(LinearAttentionTest, TimeGrowsWithTheLengthInItsWork) {
  ThreadPool pool(1);
  LinearAttention attention(pool);
  std::vector<double> flops;
  for (const std::int64_t n : {480, 960, 1920}) {
    const Case c = linear_case("", {2, 2, n, n, 32});
    const conformance::Problem problem(c);
    LinearAnswer answer(c);
    AttentionWork work;
    LinearAttentionOutputs outputs = answer.outputs();
    outputs.work = &work;
    attention.run(c.config, problem.inputs, outputs);
    flops.push_back(work.flops);
    EXPECT_GE(work.flops, 2.0 * 4 * static_cast<double>(n) * 32 * 32);
    EXPECT_GE(work.bytes_moved, 2.0 * 4 * 4 * static_cast<double>(n) * 32);
    EXPECT_GT(work.bytes_allocated, 0);
  }
  EXPECT_DOUBLE_EQ(flops[1], 2 * flops[0]);
  EXPECT_DOUBLE_EQ(flops[2], 4 * flops[0]);
}

TEST(LinearAttentionTest, SaysWhatItCannotDo) {
  AttentionConfig config;
  EXPECT_TRUE(LinearAttention::supports(config).ok);
  config.mask.pattern.kind = PatternKind::kStrided;
  EXPECT_THAT(LinearAttention::supports(config).reason, testing::HasSubstr("no pattern"));
  config = {};
  config.dropout = Dropout{0.1F, 1};
  EXPECT_THAT(LinearAttention::supports(config).reason, testing::HasSubstr("dropout"));
  config = {};
  config.scale = 0.5F;
  EXPECT_THAT(LinearAttention::supports(config).reason, testing::HasSubstr("scale"));
  config = {};
  config.kv_storage = KvStorage::kFloat16;
  EXPECT_THAT(LinearAttention::supports(config).reason, testing::HasSubstr("float32"));
  config = {};
  config.n_kv_heads = 2;
  EXPECT_THAT(LinearAttention::supports(config).reason, testing::HasSubstr("does not divide"));
}

TEST(LinearAttentionTest, RefusesAndStops) {
  ThreadPool pool(2);
  LinearAttention attention(pool);
  Case c = linear_case("", {2, 2, 30, 30, 4});
  const conformance::Problem problem(c);
  LinearAnswer answer(c);
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(attention.run(c.config, problem.inputs, answer.outputs(), source.get_token()), Cancelled);
  c.config.scale = 2;
  EXPECT_THROW(attention.run(c.config, problem.inputs, answer.outputs()), ShapeError);
  c.config.scale.reset();
  c.config.seq_k = 31;
  EXPECT_THROW(attention.run(c.config, problem.inputs, answer.outputs()), ShapeError);
}

}  // namespace
}  // namespace headroom
