#include "core/gl/attention_kernels.h"

#include <cmath>

#include "core/gl/attention.h"
#include "tests/attention/conformance.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

using conformance::Case;
using conformance::make_case;

/// One call on packed tensors, d_head a multiple of 4.
struct Call {
  explicit Call(const AttentionConfig& attention) : config(attention) {
    const auto n_q = static_cast<std::size_t>(config.batch * config.n_heads * config.seq_q * config.d_head);
    const auto n_kv = static_cast<std::size_t>(config.batch * config.n_kv_heads * config.seq_k * config.d_head);
    q_values = random_values(n_q, 1);
    k_values = random_values(n_kv, 2);
    v_values = random_values(n_kv, 3);
    out_values.resize(n_q);
    logsumexp_values.resize(n_q / static_cast<std::size_t>(config.d_head));
  }

  void run(AttentionKernels& kernels, std::span<float> probs = {}) {
    Buffer q(Texel::kVec4), k(Texel::kVec4), v(Texel::kVec4), out, logsumexp;
    q.upload(std::span<const float>(q_values), "q");
    k.upload(std::span<const float>(k_values), "k");
    v.upload(std::span<const float>(v_values), "v");
    out.upload(std::span<const float>(out_values), "out");
    logsumexp.upload(std::span<const float>(logsumexp_values), "logsumexp");
    const std::int64_t d4 = vec4s(config.d_head);
    DeviceAttention tensors;
    tensors.q = &q;
    tensors.k = &k;
    tensors.v = &v;
    tensors.out = &out;
    tensors.logsumexp = &logsumexp;
    tensors.q_place = {0, config.n_heads * config.seq_q * d4, config.seq_q * d4, d4};
    tensors.k_place = {0, config.n_kv_heads * config.seq_k * d4, config.seq_k * d4, d4};
    tensors.out_place = tensors.q_place;
    kernels.run(config, tensors, {probs}, {});
    out.read(0, std::span<float>(out_values));
    logsumexp.read(0, std::span<float>(logsumexp_values));
  }

  AttentionConfig config;
  std::vector<float> q_values, k_values, v_values, out_values, logsumexp_values;
};

class AttentionKernelsTest : public GlTest {};

/// With q = 0 each visible key has the probability 1 / count: the shaders' rule, cell by cell, against its owner.
TEST_F(AttentionKernelsTest, ShadersSeeWhatIsVisibleSays) {
  AttentionKernels kernels(context().facts(), Kernel::kNaive);
  for (const PatternKind kind : conformance::kPatterns) {
    for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
      for (const std::int64_t offset : {0, 1, 6, 40}) {
        Case c = make_case("mask", {1, 1, 41, 47, 4}, kind, direction);
        c.config.batch = 2;
        c.config.mask.query_offset = offset;
        c.config.mask.key_lengths = {47, 30};
        Call call(c.config);
        std::fill(call.q_values.begin(), call.q_values.end(), 0.0F);
        std::vector<float> probs(2 * 41 * 47, -1.0F);
        call.run(kernels, probs);
        for (std::int64_t b = 0; b < 2; ++b) {
          for (std::int64_t i = 0; i < 41; ++i) {
            for (std::int64_t j = 0; j < 47; ++j) {
              const float p = probs[static_cast<std::size_t>((b * 41 + i) * 47 + j)];
              ASSERT_EQ(p > 0, is_visible(c.config.mask, b, i, j))
                  << mask_text(c.config.mask) << ", offset " << offset << ", batch " << b << ", query " << i << ", key " << j
                  << ": " << p;
            }
          }
        }
      }
    }
  }
}

/// Tiny slices cut batch, heads and queries everywhere; the answer stays the same to the last bit.
TEST_F(AttentionKernelsTest, SlicesChangeNothing) {
  for (const Kernel kernel : {Kernel::kFused, Kernel::kNaive}) {
    Case c = make_case("slices", {6, 3, 37, 41, 8}, PatternKind::kStrided);
    c.config.batch = 3;
    c.config.pruned = {0, 0, 1, 0, 0, 0};
    c.config.mask.key_lengths = {41, 7, 20};
    AttentionKernels whole(context().facts(), kernel);
    Call expected(c.config);
    std::vector<float> expected_probs(kernel == Kernel::kNaive ? 3 * 6 * 37 * 41 : 0);
    expected.run(whole, expected_probs);
    const double row_flops = 4.0 * 41 * 8;
    for (const double rows : {1.0, 10.0, 36.0, 37.0, 80.0, 5 * 37.0, 7 * 37.0}) {
      AttentionKernels cut(context().facts(), kernel, {.dispatch_flops = rows * row_flops});
      Call call(c.config);
      std::vector<float> probs(expected_probs.size());
      call.run(cut, probs);
      EXPECT_EQ(call.out_values, expected.out_values) << rows << " rows a slice";
      EXPECT_EQ(call.logsumexp_values, expected.logsumexp_values) << rows << " rows a slice";
      EXPECT_EQ(probs, expected_probs) << rows << " rows a slice";
    }
  }
}

/// A long text's out is larger than a storage block: it is written in ranges, and the answer stays the same to the last bit.
TEST_F(AttentionKernelsTest, OutMayBeLargerThanAStorageBlock) {
  for (const Kernel kernel : {Kernel::kFused, Kernel::kNaive}) {
    Case c = make_case("ranges", {3, 1, 37, 41, 8});
    c.config.batch = 2;
    AttentionKernels whole(context().facts(), kernel);
    Call expected(c.config);
    expected.run(whole);
    DeviceFacts small = context().facts();
    for (const std::int64_t bytes : {2048, 4096}) {
      small.max_storage_block_bytes = bytes;
      AttentionKernels cut(small, kernel);
      ASSERT_TRUE(cut.supports(c.config).ok) << cut.supports(c.config).reason;
      Call call(c.config);
      call.run(cut);
      EXPECT_EQ(call.out_values, expected.out_values) << bytes << " bytes a block";
      EXPECT_EQ(call.logsumexp_values, expected.logsumexp_values) << bytes << " bytes a block";
    }
  }
}

/// 100,000 tokens of 12 heads of 64: no limit of a software renderer is in the way.
TEST_F(AttentionKernelsTest, LongTextsAreSupported) {
  AttentionConfig config = make_case("long", {12, 12, 100000, 100000, 64}).config;
  const Support support = AttentionKernels(context().facts(), Kernel::kFused).supports(config);
  EXPECT_TRUE(support.ok) << support.reason;
  config.kv_storage = KvStorage::kFloat16;
  EXPECT_TRUE(AttentionKernels(context().facts(), Kernel::kFused).supports(config).ok);
}

/// Dispatches follow the time that they are to take: ever more of them for next to none, a single one for hours.
TEST_F(AttentionKernelsTest, DispatchesFollowTheirTime) {
  const Case c = make_case("paced", {4, 4, 400, 400, 16}, PatternKind::kDense, Direction::kBidirectional);
  const auto dispatches_of_last_run = [&](double dispatch_ms) {
    AttentionKernels kernels(context().facts(), Kernel::kFused, {.attention_shape = "straight 1x4", .dispatch_ms = dispatch_ms});
    std::int64_t before = 0;
    for (int run = 0; run < 8; ++run) {
      before = kernels.n_dispatches();
      Call call(c.config);
      call.run(kernels);
    }
    return kernels.n_dispatches() - before;
  };
  EXPECT_EQ(dispatches_of_last_run(1e7), 1);
  EXPECT_GE(dispatches_of_last_run(1e-6), 4.0 * 4 * 400 * 400 * 16 / 1e6);
}

/// More queries than an axis of work groups counts.
TEST_F(AttentionKernelsTest, ManyQueriesAreCut) {
  for (const Kernel kernel : {Kernel::kFused, Kernel::kNaive}) {
    const auto backend = make_backend(context(), kernel);
    EXPECT_EQ(conformance::check(*backend, make_case("many", {1, 1, 270000, 2, 4})), "");
  }
}

/// Every table that the device keeps between calls is renewed when it must be.
TEST_F(AttentionKernelsTest, OneObjectServesDifferentCalls) {
  for (const Kernel kernel : {Kernel::kFused, Kernel::kNaive}) {
    const auto backend = make_backend(context(), kernel);
    for (int round = 0; round < 2; ++round) {
      Case c = make_case("random", {4, 2, 50, 50, 8}, PatternKind::kRandomBlocks);
      EXPECT_EQ(conformance::check(*backend, c), "");
      c.config.mask.pattern.seed = 78;
      EXPECT_EQ(conformance::check(*backend, c), "");
      c.config.mask.query_offset = 5;
      EXPECT_EQ(conformance::check(*backend, c), "");
      c.config.pruned = {1, 0, 0, 0};
      EXPECT_EQ(conformance::check(*backend, c), "");
      EXPECT_EQ(conformance::check(*backend, make_case("smaller", {1, 1, 3, 2, 4})), "");
      EXPECT_EQ(conformance::check(*backend, make_case("wider", {1, 1, 70, 90, 132})), "");
    }
  }
}

/// Padding may hold anything, even NaN.
TEST_F(AttentionKernelsTest, PaddedKeysAreNeverRead) {
  for (const Kernel kernel : {Kernel::kFused, Kernel::kNaive}) {
    Case c = make_case("padding", {2, 1, 9, 13, 8}, PatternKind::kDense, Direction::kBidirectional);
    c.config.mask.key_lengths = {6};
    conformance::Problem problem(c);
    for (std::size_t i = 6 * 8; i < problem.k_memory.size(); ++i) {
      problem.k_memory[i] = std::nanf("");
      problem.v_memory[i] = std::nanf("");
    }
    conformance::Answer expected(c, false), actual(c, false);
    make_reference_backend()->run(c.config, problem.inputs, expected.outputs());
    make_backend(context(), kernel)->run(c.config, problem.inputs, actual.outputs());
    EXPECT_EQ(conformance::compare_out(c, actual, expected), "");
    EXPECT_EQ(conformance::compare_spans("logsumexp", actual.logsumexp, expected.logsumexp, c.logsumexp_tolerance), "");
  }
}

TEST_F(AttentionKernelsTest, FusedKernelKeepsNoProbabilities) {
  const auto backend = make_backend(context(), Kernel::kFused);
  EXPECT_FALSE(backend->materialises_probs());
  EXPECT_TRUE(make_backend(context(), Kernel::kNaive)->materialises_probs());
  const Case c = make_case("probs", {1, 1, 3, 3, 4});
  const conformance::Problem problem(c);
  conformance::Answer answer(c, true);
  EXPECT_THROW(backend->run(c.config, problem.inputs, answer.outputs()), Error);
}

}  // namespace
}  // namespace headroom::gl
