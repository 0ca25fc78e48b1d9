#include "tests/attention/conformance.h"
#include "tests/attention/conformance_terms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "core/tensor/error.h"

namespace headroom {
namespace {

using conformance::Case;

enum class Which { kReference, kNaive, kFlash, kFlashThreeThreads };

struct Under {
  ThreadPool pool;
  std::unique_ptr<AttentionBackend> backend;

  explicit Under(Which which) : pool(which == Which::kFlashThreeThreads ? 3 : 2) {
    if (which == Which::kReference) backend = make_reference_backend();
    if (which == Which::kNaive) backend = make_naive_backend(pool);
    if (which == Which::kFlash || which == Which::kFlashThreeThreads) backend = make_flash_backend(pool);
  }
};

class Conformance : public testing::TestWithParam<Which> {};

TEST_P(Conformance, EveryCaseAgreesWithTheReference) {
  Under under(GetParam());
  for (const Case& c : conformance::cases()) {
    const Support support = under.backend->supports(c.config);
    ASSERT_TRUE(support.ok) << c.name << ": " << support.reason;
    EXPECT_EQ(conformance::check(*under.backend, c), "");
  }
}

TEST_P(Conformance, SoftCapsAndBiasesAgreeWithTheReference) {
  Under under(GetParam());
  for (const Case& c : conformance::term_cases()) {
    const Support support = under.backend->supports(c.config);
    ASSERT_TRUE(support.ok) << c.name << ": " << support.reason;
    EXPECT_EQ(conformance::check(*under.backend, c), "");
  }
}

TEST_P(Conformance, RefusesAnInvalidConfiguration) {
  Under under(GetParam());
  Case c = conformance::make_case("invalid", {2, 2, 3, 3, 4});
  const conformance::Problem problem(c);
  conformance::Answer answer(c, false);
  c.config.n_kv_heads = 3;
  EXPECT_FALSE(under.backend->supports(c.config).ok);
  EXPECT_THROW(under.backend->run(c.config, problem.inputs, answer.outputs()), ShapeError);
}

TEST_P(Conformance, StopsWhenAsked) {
  Under under(GetParam());
  const Case c = conformance::make_case("stopped", {2, 2, 300, 300, 32});
  const conformance::Problem problem(c);
  conformance::Answer answer(c, false);
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(under.backend->run(c.config, problem.inputs, answer.outputs(), source.get_token()), Cancelled);
}

INSTANTIATE_TEST_SUITE_P(Backends, Conformance,
                         testing::Values(Which::kReference, Which::kNaive, Which::kFlash, Which::kFlashThreeThreads),
                         [](const auto& instance) {
                           switch (instance.param) {
                             case Which::kReference:
                               return "reference";
                             case Which::kNaive:
                               return "naive";
                             case Which::kFlash:
                               return "flash";
                             default:
                               return "flash_three_threads";
                           }
                         });

TEST(ConformanceSuite, NamesAreUnique) {
  std::set<std::string> names;
  std::vector<Case> all = conformance::cases();
  std::ranges::move(conformance::term_cases(), std::back_inserter(all));
  for (const Case& c : all) {
    EXPECT_TRUE(names.insert(c.name).second) << c.name << " appears twice";
    EXPECT_EQ(validate(c.config), std::nullopt) << c.name;
  }
}

TEST(ConformanceSuite, CasesTellTheTermsApart) {
  const auto reference = make_reference_backend();
  for (Case c : conformance::term_cases()) {
    if (c.config.mask.pattern.kind != PatternKind::kDense || c.config.seq_k < 30) continue;
    const conformance::Problem problem(c);
    conformance::Answer whole(c, false), uncapped(c, false), unbiased(c, false);
    reference->run(c.config, problem.inputs, whole.outputs());
    AttentionConfig config = c.config;
    config.soft_cap = 0;
    reference->run(config, problem.inputs, uncapped.outputs());
    EXPECT_EQ(whole.logsumexp == uncapped.logsumexp, c.config.soft_cap == 0) << c.name;
    config = c.config;
    config.position_bias = nullptr;
    reference->run(config, problem.inputs, unbiased.outputs());
    EXPECT_EQ(whole.logsumexp == unbiased.logsumexp, c.config.position_bias == nullptr) << c.name;
  }
}

TEST(ConformanceSuite, NonFiniteMatchesNonFiniteOnly) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(conformance::is_close(-infinity, -infinity, 1e-5));
  EXPECT_TRUE(conformance::is_close(nan, nan, 1e-5));
  EXPECT_FALSE(conformance::is_close(-1e38F, -infinity, 1e-5));
  EXPECT_FALSE(conformance::is_close(infinity, -infinity, 1e-5));
  EXPECT_FALSE(conformance::is_close(nan, 0, 1e-5));
  EXPECT_FALSE(conformance::is_close(0, nan, 1e-5));
  EXPECT_FALSE(conformance::is_close(infinity, 1, 1e-5));
}

TEST(ConformanceSuite, DropoutChangesOutButNotLogsumexp) {
  Case c = conformance::make_case("dropout", {2, 2, 20, 20, 8});
  const conformance::Problem problem(c);
  conformance::Answer plain(c, true), dropped(c, true);
  make_reference_backend()->run(c.config, problem.inputs, plain.outputs());
  c.config.dropout = Dropout{0.5F, 3};
  make_reference_backend()->run(c.config, problem.inputs, dropped.outputs());
  EXPECT_EQ(plain.logsumexp, dropped.logsumexp);
  EXPECT_EQ(plain.probs, dropped.probs);
  EXPECT_NE(plain.out_memory, dropped.out_memory);
}

}  // namespace
}  // namespace headroom
