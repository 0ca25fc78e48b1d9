// The random rounds of tests/attention/fuzz.h on OpenGL's kernels: fewer and smaller ones, a software driver being slow. NaN behind the mask
// is not among them: unlike the CPU's kernels the shaders multiply hidden values by 0, and 0 times NaN is NaN.
#include "tests/attention/fuzz.h"

#include <cstdlib>

#include "core/gl/attention.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

class GlFuzz : public GlTest, public testing::WithParamInterface<Kernel> {
 protected:
  void run(std::uint64_t n_rounds, const fuzz::Kind& kind) {
    const auto backend = make_backend(context(), GetParam());
    std::uint64_t first = 1;
    if (const char* const seed = std::getenv("HEADROOM_FUZZ_SEED")) {
      first = std::strtoull(seed, nullptr, 10);
      const char* const rounds = std::getenv("HEADROOM_FUZZ_ROUNDS");
      n_rounds = rounds != nullptr ? std::strtoull(rounds, nullptr, 10) : 1;
    }
    int n_failed = 0;
    for (std::uint64_t seed = first; seed < first + n_rounds && n_failed < 3; ++seed) {
      const fuzz::Round round = fuzz::make_round(seed, kind);
      if (!backend->supports(round.c.config).ok) continue;
      const std::string wrong = fuzz::check(*backend, round);
      EXPECT_EQ(wrong, "");
      n_failed += wrong.empty() ? 0 : 1;
    }
  }
};

TEST_P(GlFuzz, FiniteScoresAgreeWithTheReference) { run(25, {.max_seq = 60, .max_d_head = 70}); }

INSTANTIATE_TEST_SUITE_P(Kernels, GlFuzz, testing::Values(Kernel::kNaive, Kernel::kFused),
                         [](const auto& instance) { return instance.param == Kernel::kNaive ? "naive" : "fused"; });

}  // namespace
}  // namespace headroom::gl
