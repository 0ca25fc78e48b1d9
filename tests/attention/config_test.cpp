#include "core/attention/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/attention/backend.h"
#include "core/tensor/error.h"
#include "tests/attention/conformance.h"

namespace headroom {
namespace {

using testing::HasSubstr;

AttentionConfig good() {
  AttentionConfig config;
  config.batch = 2;
  config.n_heads = 6;
  config.n_kv_heads = 3;
  config.d_head = 4;
  config.seq_q = 5;
  config.seq_k = 7;
  return config;
}

/// What validate says once `change` was made to a good configuration.
std::string after(const std::function<void(AttentionConfig&)>& change) {
  AttentionConfig config = good();
  EXPECT_EQ(validate(config), std::nullopt);
  change(config);
  return validate(config).value_or("nothing is wrong");
}

TEST(AttentionConfig, SizesMustBePositiveAndBounded) {
  EXPECT_EQ(after([](auto& c) { c.batch = 0; }), "batch is 0; it must be at least 1");
  EXPECT_EQ(after([](auto& c) { c.n_heads = -1; }), "n_heads is -1; it must be at least 1");
  EXPECT_EQ(after([](auto& c) { c.n_kv_heads = 0; }), "n_kv_heads is 0; it must be at least 1");
  EXPECT_EQ(after([](auto& c) { c.d_head = 0; }), "d_head is 0; it must be at least 1");
  EXPECT_EQ(after([](auto& c) { c.seq_q = 0; }), "seq_q is 0; it must be at least 1");
  EXPECT_EQ(after([](auto& c) { c.seq_k = 0; }), "seq_k is 0; it must be at least 1");
  EXPECT_EQ(after([](auto& c) { c.seq_k = std::int64_t{1} << 40; }), "seq_k is 1099511627776; it must be at most 2147483647");
  EXPECT_EQ(after([](auto& c) { c.d_head = 257; }), "d_head is 257; it must be at most 256");
  EXPECT_THAT(after([](auto& c) { c.seq_q = c.batch = c.n_heads = 2147483646; }), HasSubstr("no memory holds them"));
}

TEST(AttentionConfig, HeadsMustGroup) {
  EXPECT_EQ(after([](auto& c) { c.n_kv_heads = 4; }), "n_kv_heads 4 does not divide n_heads 6");
  EXPECT_EQ(after([](auto& c) { c.kv_head_of = {0, 1}; }), "kv_head_of has 2 entries; it must have one for each of the 6 heads");
  EXPECT_EQ(after([](auto& c) { c.kv_head_of = {0, 1, 2, 3, 0, 0}; }), "head 3 reads K/V head 3; there are only 3");
  EXPECT_EQ(after([](auto& c) { c.kv_head_of = {0, -1, 2, 0, 0, 0}; }), "head 1 reads K/V head -1; there are only 3");
  EXPECT_EQ(after([](auto& c) { c.pruned = {1}; }), "pruned has 1 entries; it must have one for each of the 6 heads");
  EXPECT_EQ(after([](auto& c) {
              c.n_kv_heads = 4;
              c.kv_head_of = {0, 0, 0, 1, 2, 3};
            }),
            "nothing is wrong");
}

TEST(AttentionConfig, MaskMustFit) {
  EXPECT_EQ(after([](auto& c) { c.mask.query_offset = -1; }), "query_offset is -1; it must lie between 0 and 2147483647");
  EXPECT_EQ(after([](auto& c) { c.mask.key_lengths = {7}; }),
            "key_lengths has 1 entries; it must have one for each of the 2 batch entries");
  EXPECT_EQ(after([](auto& c) { c.mask.key_lengths = {7, 8}; }), "a key length is 8; it must lie between 0 and seq_k 7");
  EXPECT_EQ(after([](auto& c) { c.mask.key_lengths = {-1, 7}; }), "a key length is -1; it must lie between 0 and seq_k 7");
}

std::string after_pattern(PatternKind kind, const std::function<void(MaskPattern&)>& change) {
  return after([&](AttentionConfig& config) {
    config.mask.pattern.kind = kind;
    change(config.mask.pattern);
  });
}

TEST(AttentionConfig, PatternsMustBePossible) {
  EXPECT_EQ(after_pattern(PatternKind::kLocalWindow, [](auto& p) { p.window = 0; }),
            "the local window is 0; it must hold at least 1 key");
  EXPECT_EQ(after_pattern(PatternKind::kGlobalLocal, [](auto& p) { p.window = 0; }),
            "the local window is 0; it must hold at least 1 key");
  EXPECT_EQ(after_pattern(PatternKind::kGlobalLocal, [](auto& p) { p.n_global = -1; }), "n_global is -1; it must not be negative");
  EXPECT_EQ(after_pattern(PatternKind::kStrided, [](auto& p) { p.stride = 0; }), "the stride is 0; it must be at least 1");
  EXPECT_EQ(after_pattern(PatternKind::kRandomBlocks, [](auto& p) { p.block = 0; }),
            "the block is 0; it must hold at least 1 position");
  EXPECT_EQ(after_pattern(PatternKind::kRandomBlocks, [](auto& p) { p.blocks_per_row = -1; }),
            "blocks_per_row is -1; it must lie between 0 and 64");
  EXPECT_EQ(after_pattern(PatternKind::kRandomBlocks, [](auto& p) { p.blocks_per_row = 65; }),
            "blocks_per_row is 65; it must lie between 0 and 64");
  EXPECT_EQ(after_pattern(PatternKind::kHashedBuckets, [](auto& p) { p.key_bucket.resize(7); }),
            "query_bucket has 0 entries; it must have one for each of the 5 queries");
  EXPECT_EQ(after_pattern(PatternKind::kHashedBuckets, [](auto& p) { p.query_bucket.resize(5); }),
            "key_bucket has 0 entries; it must have one for each of the 7 keys");
  EXPECT_EQ(after_pattern(static_cast<PatternKind>(99), [](auto&) {}), "the mask pattern is unknown");
  // Parameters of a pattern that is not in use do not matter.
  EXPECT_EQ(after_pattern(PatternKind::kDense, [](auto& p) { p.window = p.stride = p.block = 0; }), "nothing is wrong");
}

TEST(AttentionConfig, ScaleAndDropoutMustBeNumbers) {
  EXPECT_EQ(after([](auto& c) { c.scale = std::numeric_limits<float>::quiet_NaN(); }), "the score scale is not a finite number");
  EXPECT_EQ(after([](auto& c) { c.scale = std::numeric_limits<float>::infinity(); }), "the score scale is not a finite number");
  EXPECT_THAT(after([](auto& c) { c.dropout = Dropout{1, 0}; }), HasSubstr("it must be at least 0 and below 1"));
  EXPECT_THAT(after([](auto& c) { c.dropout = Dropout{-0.5F, 0}; }), HasSubstr("it must be at least 0 and below 1"));
  EXPECT_THAT(after([](auto& c) { c.dropout = Dropout{std::nanf(""), 0}; }), HasSubstr("it must be at least 0 and below 1"));
}

TEST(AttentionConfig, SoftCapAndBiasMustFit) {
  const auto says = [](const auto& change) {
    AttentionConfig config = good();
    change(config);
    return validate(config).value_or("");
  };
  const auto bias = [&](std::int64_t n_heads, std::int64_t reach, std::size_t n_values) {
    return says([&](AttentionConfig& config) {
      config.position_bias = std::make_shared<PositionBias>(PositionBias{n_heads, reach, std::vector<float>(n_values)});
    });
  };
  EXPECT_EQ(says([](AttentionConfig& config) { config.soft_cap = 30; }), "");
  EXPECT_THAT(says([](AttentionConfig& config) { config.soft_cap = -1; }), testing::HasSubstr("soft cap"));
  EXPECT_THAT(says([](AttentionConfig& config) { config.soft_cap = NAN; }), testing::HasSubstr("soft cap"));
  EXPECT_THAT(says([](AttentionConfig& config) { config.soft_cap = INFINITY; }), testing::HasSubstr("soft cap"));
  EXPECT_EQ(bias(6, 3, 42), "");
  EXPECT_EQ(bias(6, 0, 6), "");
  EXPECT_EQ(bias(5, 3, 35), "the position bias is of 5 heads; the layer has 6");
  EXPECT_EQ(bias(6, 3, 41), "the position bias has 41 values; 6 heads that reach 3 positions need 42");
  EXPECT_THAT(bias(6, -1, 0), testing::HasSubstr("reaches -1"));
  EXPECT_THAT(bias(6, std::int64_t{1} << 60, 0), testing::HasSubstr("reaches"));
}

TEST(AttentionConfig, BiasesBeyondTheirReachAreThatOfIt) {
  const PositionBias bias{2, 1, {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(bias.at(0, -9), 1);
  EXPECT_EQ(bias.at(0, 0), 2);
  EXPECT_EQ(bias.at(1, -1), 4);
  EXPECT_EQ(bias.at(1, 1), 6);
  EXPECT_EQ(bias.at(1, 1000), 6);
}

TEST(AttentionConfig, DefaultsFollowFromTheShape) {
  AttentionConfig config = good();
  EXPECT_FLOAT_EQ(config.effective_scale(), 0.5F);
  config.scale = 2.0F;
  EXPECT_EQ(config.effective_scale(), 2.0F);
  EXPECT_EQ(config.kv_head(0), 0);
  EXPECT_EQ(config.kv_head(1), 0);
  EXPECT_EQ(config.kv_head(5), 2);
  config.kv_head_of = {2, 2, 1, 1, 1, 0};
  EXPECT_EQ(config.kv_head(0), 2);
  EXPECT_FALSE(config.is_pruned(3));
  config.pruned = {0, 0, 0, 1, 0, 0};
  EXPECT_TRUE(config.is_pruned(3));
}

/// What check_arguments says once `change` was made to good arguments.
std::string complaint(const std::function<void(AttentionConfig&, AttentionInputs&, AttentionOutputs&)>& change) {
  conformance::Case c;
  c.config = good();
  conformance::Problem problem(c);
  conformance::Answer answer(c, true);
  AttentionOutputs outputs = answer.outputs();
  check_arguments(c.config, problem.inputs, outputs);
  change(c.config, problem.inputs, outputs);
  try {
    check_arguments(c.config, problem.inputs, outputs);
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "nothing is wrong";
}

TEST(CheckArguments, EveryViewMustHaveItsShape) {
  EXPECT_EQ(complaint([](auto& c, auto&, auto&) { c.d_head = 0; }), "attention cannot run: d_head is 0; it must be at least 1");
  EXPECT_EQ(complaint([](auto&, auto& in, auto&) { in.q.seq = 4; }), "q has the shape [2, 6, 4, 4] instead of [2, 6, 5, 4]");
  EXPECT_EQ(complaint([](auto&, auto& in, auto&) { in.k.n_heads = 6; }), "k has the shape [2, 6, 7, 4] instead of [2, 3, 7, 4]");
  EXPECT_EQ(complaint([](auto&, auto& in, auto&) { in.v.data = nullptr; }), "v points to nothing");
  EXPECT_EQ(complaint([](auto&, auto& in, auto&) { in.v.row_stride = -4; }), "v has a negative stride");
  EXPECT_EQ(complaint([](auto&, auto&, auto& out) { out.out.batch = 1; }),
            "out has the shape [1, 6, 5, 4] instead of [2, 6, 5, 4]");
  EXPECT_EQ(complaint([](auto&, auto&, auto& out) { out.logsumexp = out.logsumexp.first(9); }),
            "logsumexp has 9 elements instead of [2, 6, 5]");
  EXPECT_EQ(complaint([](auto&, auto&, auto& out) { out.probs = out.probs.first(9); }),
            "probs has 9 elements instead of [2, 6, 5, 7]");
  EXPECT_EQ(complaint([](auto&, auto&, auto& out) { out.probs = {}; }), "nothing is wrong");
}

TEST(CheckArguments, FlashRefusesToStoreProbabilities) {
  conformance::Case c;
  c.config = good();
  const conformance::Problem problem(c);
  conformance::Answer answer(c, true);
  ThreadPool pool(1);
  const auto flash = make_flash_backend(pool);
  EXPECT_FALSE(flash->materialises_probs());
  EXPECT_THROW(flash->run(c.config, problem.inputs, answer.outputs()), ShapeError);
}

}  // namespace
}  // namespace headroom
