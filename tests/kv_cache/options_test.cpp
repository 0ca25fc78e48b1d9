#include "core/kv_cache/options.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/kv_cache/batch_plan.h"

namespace headroom {
namespace {

TEST(KvCacheOptions, SayHowManyTokensAreHeldAtMost) {
  KvCacheOptions options{.window = 7, .n_first = 3, .n_heavy = 5};
  EXPECT_FALSE(token_budget(options));
  options.eviction = Eviction::kWindow;
  EXPECT_EQ(token_budget(options), 7);
  options.eviction = Eviction::kStreaming;
  EXPECT_EQ(token_budget(options), 10);
  options.eviction = Eviction::kHeavyHitters;
  EXPECT_EQ(token_budget(options), 12);
}

TEST(KvCacheOptions, NameTheFirstThingThatIsWrong) {
  EXPECT_FALSE(validate(KvCacheOptions{}));
  EXPECT_EQ(validate(KvCacheOptions{.page_rows = 0}), "a page: 0 tokens, which should be 1 to 4096");
  EXPECT_EQ(validate(KvCacheOptions{.window = 0}), "the window: 0 tokens, which should be 1 to 1000000");
  EXPECT_EQ(validate(KvCacheOptions{.n_first = -1}), "the first tokens kept: -1 tokens, which should be 0 to 1000000");
  EXPECT_TRUE(validate(KvCacheOptions{.n_heavy = std::numeric_limits<std::int64_t>::max()}));
}

TEST(KvCacheOptions, AreSaidInWords) {
  EXPECT_EQ(cache_text({}), "contiguous, float32");
  EXPECT_EQ(cache_text({.layout = CacheLayout::kPaged,
                        .type = KvType::kInt4,
                        .page_rows = 1,
                        .eviction = Eviction::kStreaming,
                        .window = 8,
                        .n_first = 2}),
            "pages of 1 token, int4, first 2 and last 8 tokens");
  EXPECT_EQ(cache_text({.eviction = Eviction::kHeavyHitters, .window = 1, .n_heavy = 6}),
            "contiguous, float32, heaviest 6 and last 1 token");
}

TEST(BatchPlan, IsBroughtToOneThatCanBeRun) {
  EXPECT_EQ(settle(BatchPlan{}), BatchPlan{});
  std::string why;
  const BatchPlan plan = settle({.n_requests = 0,
                                 .memory_mib = std::numeric_limits<double>::quiet_NaN(),
                                 .max_tokens = 1,
                                 .prompt_least = 9,
                                 .prompt_most = 3,
                                 .answer_least = -1,
                                 .answer_most = 99,
                                 .shared_prefix = 50},
                                &why);
  EXPECT_EQ(plan.n_requests, 1);
  EXPECT_GT(plan.memory_mib, 0);
  EXPECT_EQ(plan.max_tokens, 2);
  EXPECT_EQ(plan.prompt_least, 1);
  EXPECT_EQ(plan.prompt_most, 1);
  EXPECT_EQ(plan.answer_most, 1);
  EXPECT_LE(plan.shared_prefix, plan.prompt_least);
  EXPECT_NE(why.find("The number of requests became 1."), std::string::npos) << why;
  EXPECT_EQ(settle(plan), plan);
}

}  // namespace
}  // namespace headroom
