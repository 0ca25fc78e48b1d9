#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "core/kv_cache/kv_cache.h"
#include "tests/kv_cache/text_rows.h"

namespace headroom {
namespace {

ThreadPool& pool() {
  static ThreadPool threads(2);
  return threads;
}

double dot(const float* a, const float* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t c = 0; c < n; ++c)
    sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  return sum;
}

/// The rule in double, a head's tokens in a map from position to what it was given.
class HeavyHitters {
 public:
  HeavyHitters(const TextRows& text, std::int64_t window, std::int64_t n_heavy)
      : text_(text), window_(window), n_heavy_(n_heavy), held_(static_cast<std::size_t>(text.config.n_kv_heads)) {}

  struct Step {
    std::vector<std::int32_t> gave_up;  ///< of each K/V head; -1: none
    std::vector<std::vector<double>> out;
  };
  Step read(std::int64_t row) {
    Step step{std::vector<std::int32_t>(held_.size(), -1), {}};
    for (std::size_t g = 0; g < held_.size(); ++g) {
      std::map<std::int32_t, double>& held = held_[g];
      if (std::ssize(held) == window_ + n_heavy_) {
        const auto end = held.lower_bound(static_cast<std::int32_t>(row - window_ + 1));
        const auto lightest = std::min_element(held.begin(), end, [](const auto& a, const auto& b) { return a.second < b.second; });
        step.gave_up[g] = lightest->first;
        held.erase(lightest);
      }
      held.emplace(static_cast<std::int32_t>(row), 0);
    }
    const std::int64_t d_head = text_.config.d_head;
    for (std::int64_t head = 0; head < text_.config.n_heads; ++head) {
      step.out.emplace_back(static_cast<std::size_t>(d_head));
      if (text_.config.is_pruned(head)) continue;
      const std::int64_t g = text_.config.kv_head(head);
      std::map<std::int32_t, double>& held = held_[static_cast<std::size_t>(g)];
      std::map<std::int32_t, double> weights;
      double sum = 0;
      for (const auto& [position, given] : held) {
        const double score = dot(text_.q_rows(0, text_.n).row(0, head, row), text_.k_rows(0, text_.n).row(0, g, position), d_head);
        sum += weights[position] = std::exp(score * static_cast<double>(text_.config.effective_scale()));
      }
      for (auto& [position, given] : held) {
        given += weights[position] / sum;
        for (std::int64_t c = 0; c < d_head; ++c)
          step.out.back()[static_cast<std::size_t>(c)] +=
              weights[position] / sum * static_cast<double>(text_.v_rows(0, text_.n).row(0, g, position)[c]);
      }
    }
    return step;
  }
  const std::map<std::int32_t, double>& held(std::int64_t g) const { return held_[static_cast<std::size_t>(g)]; }

 private:
  const TextRows& text_;
  std::int64_t window_, n_heavy_;
  std::vector<std::map<std::int32_t, double>> held_;
};

TEST(HeavyHitters, KeepWhatWasGivenMostInEachHead) {
  const AttentionConfig grouped{.n_heads = 4, .n_kv_heads = 2, .d_head = 8};
  const AttentionConfig uneven{.n_heads = 3, .n_kv_heads = 2, .d_head = 5, .pruned = {0, 1, 0}, .kv_head_of = {0, 0, 1}};
  for (const AttentionConfig& config : {grouped, uneven}) {
    for (const auto& [window, n_heavy] : {std::pair{4, 3}, std::pair{1, 5}, std::pair{5, 0}, std::pair{60, 4}}) {
      for (const std::int64_t page : {0, 1, 3}) {
        const TextRows text(config, 48, 1);
        HeavyHitters expected(text, window, n_heavy);
        KvCacheOptions options{.eviction = Eviction::kHeavyHitters, .window = window, .n_heavy = n_heavy};
        if (page > 0) options.layout = CacheLayout::kPaged, options.page_rows = page;
        KvCache cache({{2}, config.d_head}, options, pool());
        TextAnswer answer = text.empty_answer();
        for (std::int64_t row = 0; row < text.n; ++row) {
          text.read(cache, 0, {row, row + 1}, answer);
          const HeavyHitters::Step step = expected.read(row);
          for (std::int64_t g = 0; g < 2; ++g) {
            ASSERT_EQ(cache.gave_up(0, g).value_or(-1), step.gave_up[static_cast<std::size_t>(g)])
                << cache_text(options) << ", row " << row << ", K/V head " << g;
            const std::vector<std::int32_t> positions = cache.positions(0, g);
            ASSERT_EQ(positions.size(), expected.held(g).size());
            for (std::size_t slot = 0; slot < positions.size(); ++slot) {
              ASSERT_TRUE(expected.held(g).contains(positions[slot]));
              EXPECT_NEAR(cache.received(0, g)[slot], expected.held(g).at(positions[slot]), 1e-5);
            }
          }
          for (std::int64_t head = 0; head < config.n_heads; ++head) {
            for (std::int64_t c = 0; c < config.d_head; ++c)
              EXPECT_NEAR(answer.out[static_cast<std::size_t>((head * text.n + row) * config.d_head + c)],
                          step.out[static_cast<std::size_t>(head)][static_cast<std::size_t>(c)], 2e-5);
          }
        }
      }
    }
  }
}

TEST(HeavyHitters, GiveUpTheOldestOfEquals) {
  TextRows text({.n_heads = 1, .n_kv_heads = 1, .d_head = 4}, 12, 2);
  std::ranges::fill(text.q, 0.0F);  // every token is given the same by each query, so the older ones have more
  KvCache cache({{1}, 4}, {.eviction = Eviction::kHeavyHitters, .window = 1, .n_heavy = 2}, pool());
  cache.append(0, text.k_rows(0, 4), text.v_rows(0, 4));  // nobody asked: all were given nothing
  EXPECT_EQ(cache.gave_up(0, 0), 0);
  EXPECT_EQ(cache.evicted(0, 0), (std::vector<std::int32_t>{0}));
  cache.append(0, text.k_rows(4, 5), text.v_rows(4, 5));
  EXPECT_EQ(cache.gave_up(0, 0), 1);
}

TEST(HeavyHitters, DoNotDependOnHowATextIsCut) {
  const TextRows text({.n_heads = 4, .n_kv_heads = 2, .d_head = 8}, 40, 3);
  for (const KvType type : {KvType::kFloat32, KvType::kInt8, KvType::kInt4}) {
    const KvCacheOptions options{.type = type, .eviction = Eviction::kHeavyHitters, .window = 5, .n_heavy = 4};
    KvCache whole({{2}, 8}, options, pool()), cut({{2}, 8}, options, pool());
    const TextAnswer all = text.read_in_calls(whole, 0, std::vector<std::int64_t>{40});
    const TextAnswer parts = text.read_in_calls(cut, 0, std::vector<std::int64_t>{7, 1, 3});
    EXPECT_EQ(all.out, parts.out);
    EXPECT_EQ(all.logsumexp, parts.logsumexp);
    for (std::int64_t g = 0; g < 2; ++g) {
      EXPECT_EQ(whole.positions(0, g), cut.positions(0, g));
      EXPECT_NE(whole.positions(0, g), whole.positions(0, 1 - g)) << "both heads chose alike: the test shows nothing";
    }
  }
}

TEST(HeavyHitters, GoOnAloneInAFork) {
  const TextRows text({.n_heads = 4, .n_kv_heads = 2, .d_head = 8}, 40, 4),
      other({.n_heads = 4, .n_kv_heads = 2, .d_head = 8}, 40, 5);
  const KvCacheOptions options{
      .layout = CacheLayout::kPaged, .page_rows = 3, .eviction = Eviction::kHeavyHitters, .window = 5, .n_heavy = 4};
  KvCache alone({{2}, 8}, options, pool()), cache({{2}, 8}, options, pool());
  TextAnswer expected = text.empty_answer(), answer = text.empty_answer(), aside = text.empty_answer();
  text.read(alone, 0, {0, 20}, expected);
  text.read(cache, 0, {0, 20}, answer);
  KvCache fork = cache.fork();
  for (std::int64_t row = 20; row < 40; ++row) {
    other.read(fork, 0, {row, row + 1}, aside);
    text.read(cache, 0, {row, row + 1}, answer);
    text.read(alone, 0, {row, row + 1}, expected);
  }
  EXPECT_EQ(answer.out, expected.out);
  EXPECT_EQ(cache.positions(0, 0), alone.positions(0, 0));
}

}  // namespace
}  // namespace headroom
