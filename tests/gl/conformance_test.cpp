// The suite that every backend passes, on OpenGL's float32 kernels. Tolerances: those written beside each case, which the CPU's float32
// backends meet too; nothing is loosened here, and no case is left out.
#include "tests/attention/conformance.h"

#include "core/gl/attention.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

class GlConformance : public GlTest, public testing::WithParamInterface<Kernel> {};

TEST_P(GlConformance, EveryCaseAgreesWithTheReference) {
  const auto backend = make_backend(context(), GetParam());
  for (const conformance::Case& c : conformance::cases()) {
    const Support support = backend->supports(c.config);
    ASSERT_TRUE(support.ok) << c.name << ": " << support.reason;
    EXPECT_EQ(conformance::check(*backend, c), "");
  }
}

TEST_P(GlConformance, RefusesAnInvalidConfiguration) {
  const auto backend = make_backend(context(), GetParam());
  conformance::Case c = conformance::make_case("invalid", {2, 2, 3, 3, 4});
  const conformance::Problem problem(c);
  conformance::Answer answer(c, false);
  c.config.n_kv_heads = 3;
  EXPECT_FALSE(backend->supports(c.config).ok);
  EXPECT_THROW(backend->run(c.config, problem.inputs, answer.outputs()), ShapeError);
}

TEST_P(GlConformance, StopsWhenAsked) {
  const auto backend = make_backend(context(), GetParam());
  const conformance::Case c = conformance::make_case("stopped", {2, 2, 300, 300, 32});
  const conformance::Problem problem(c);
  conformance::Answer answer(c, false);
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(backend->run(c.config, problem.inputs, answer.outputs(), source.get_token()), Cancelled);
}

TEST_P(GlConformance, RefusesWhatTheDeviceCannotHold) {
  const auto backend = make_backend(context(), GetParam());
  const long long texels = context().facts().max_buffer_texels;
  AttentionConfig config;
  if (texels < (1LL << 30)) {
    config.d_head = 256;
    config.n_heads = 1000;
    config.n_kv_heads = 1;
    config.seq_q = texels / 64000 + 1;
    const Support support = backend->supports(config);
    EXPECT_FALSE(support.ok);
    EXPECT_THAT(support.reason, testing::HasSubstr(std::to_string(texels)));
    config.seq_q = texels / 64000;
    EXPECT_TRUE(backend->supports(config).ok) << backend->supports(config).reason;
  }
  config = {};
  config.mask.query_offset = (1LL << 30) + 1;
  EXPECT_THAT(backend->supports(config).reason, testing::HasSubstr("1073741824"));
  config = {};
  config.mask.pattern.kind = PatternKind::kRandomBlocks;
  config.mask.pattern.block = 1;
  config.seq_q = config.seq_k = 10000;
  EXPECT_THAT(backend->supports(config).reason, testing::HasSubstr("10000 x 10000 blocks"));
}

INSTANTIATE_TEST_SUITE_P(Kernels, GlConformance, testing::Values(Kernel::kNaive, Kernel::kFused),
                         [](const auto& instance) { return instance.param == Kernel::kNaive ? "naive" : "fused"; });

}  // namespace
}  // namespace headroom::gl
