#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/attention/counter_hash.h"
#include "core/kv_cache/kv_cache.h"
#include "core/tensor/error.h"
#include "tests/kv_cache/text_rows.h"

namespace headroom {
namespace {

constexpr std::int64_t kDHead = 3;

ThreadPool& pool() {
  static ThreadPool threads(1);
  return threads;
}

/// Numbers drawn one after another.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : seed_(seed) {}
  std::int64_t below(std::int64_t n) { return counter_hash(seed_, {next_++}) % static_cast<std::uint32_t>(n); }

 private:
  std::uint32_t seed_, next_ = 0;
};

/// A sequence and what it should hold: a number for each token, which all its rows are made of.
struct Sequence {
  KvCache cache;
  std::vector<float> tokens;
};

/// Many sequences on one pool, each beside a plain list.
class World {
 public:
  World(const CacheShape& shape, const KvCacheOptions& options, std::int64_t n_pages)
      : shape_(shape), options_(options), pages_(std::make_shared<PagePool>(page_bytes(shape, options), n_pages)) {}

  std::int64_t n_sequences() const { return std::ssize(sequences_); }
  Sequence& at(std::int64_t i) { return sequences_[static_cast<std::size_t>(i)]; }
  PagePool& pages() { return *pages_; }

  void open() { sequences_.push_back({KvCache(shape_, options_, pool(), pages_), {}}); }
  void fork(std::int64_t i) { sequences_.push_back({at(i).cache.fork(), at(i).tokens}); }
  void close(std::int64_t i) { sequences_.erase(sequences_.begin() + i); }

  /// Whether there was room for it.
  bool append(std::int64_t i, std::int64_t n) {
    std::vector<float> tokens;
    for (std::int64_t row = 0; row < n; ++row)
      tokens.push_back(static_cast<float>(++n_tokens_ % 997));  // exact in float16 and, row by row, in int8
    try {
      for (std::int64_t layer = 0; layer < std::ssize(shape_.n_kv_heads); ++layer) {
        const std::int64_t heads = shape_.n_kv_heads[static_cast<std::size_t>(layer)];
        if (heads == 0) continue;
        std::vector<float> k, v;
        for (std::int64_t head = 0; head < heads; ++head) {
          for (const float token : tokens) {
            k.insert(k.end(), kDHead, token + static_cast<float>(1000 * layer + 100 * head));
            v.insert(v.end(), kDHead, -token);
          }
        }
        at(i).cache.append(layer, ConstHeadsView::head_major(k.data(), 1, heads, n, kDHead),
                           ConstHeadsView::head_major(v.data(), 1, heads, n, kDHead));
      }
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(" are free"), std::string::npos) << error.what();
      return false;
    }
    at(i).tokens.insert(at(i).tokens.end(), tokens.begin(), tokens.end());
    return true;
  }

  /// Every sequence holds its own tokens, and every page is counted once for each who holds it.
  void check() {
    std::map<PageId, std::int64_t> sharers;
    for (Sequence& sequence : sequences_) {
      check_rows(sequence);
      const std::int64_t n_held = sequence.cache.n_held();
      std::int64_t rows_used = 0;
      for (const PageUse& page : sequence.cache.page_table()) {
        ++sharers[page.page];
        rows_used += page.rows_used;
      }
      ASSERT_EQ(rows_used, n_held);
      const std::int64_t wasted = sequence.cache.bytes_reserved() - sequence.cache.bytes_used();
      ASSERT_GE(wasted, 0);
      ASSERT_LT(wasted, pages_->page_bytes());
    }
    ASSERT_EQ(pages_->n_used(), std::ssize(sharers));
    for (Sequence& sequence : sequences_) {
      for (const PageUse& page : sequence.cache.page_table())
        ASSERT_EQ(page.n_sharers, sharers[page.page]);
    }
  }

 private:
  void check_rows(const Sequence& sequence) {
    const auto n_seen = std::ssize(sequence.tokens);
    ASSERT_EQ(sequence.cache.n_seen(), n_seen);
    const std::int64_t n_held = std::min<std::int64_t>(n_seen, token_budget(options_).value_or(n_seen));
    ASSERT_EQ(sequence.cache.n_held(), n_held);
    for (std::int64_t layer = 0; layer < std::ssize(shape_.n_kv_heads); ++layer) {
      for (std::int64_t head = 0; head < shape_.n_kv_heads[static_cast<std::size_t>(layer)]; ++head) {
        const std::vector<std::int32_t> positions = sequence.cache.positions(layer, head);
        for (std::int64_t slot = 0; slot < n_held; ++slot) {
          const std::int32_t position = positions[static_cast<std::size_t>(slot)];
          ASSERT_GE(position, n_seen - n_held);
          const float token = sequence.tokens[static_cast<std::size_t>(position)];
          std::vector<float> k(kDHead), v(kDHead);
          sequence.cache.read_row(layer, head, slot, {k, v});
          const float expected = token + static_cast<float>(1000 * layer + 100 * head);
          ASSERT_NEAR(k[2], expected, 1e-6 * static_cast<double>(expected));
          ASSERT_NEAR(v[0], -token, 1e-6 * static_cast<double>(token));
        }
      }
    }
  }

  CacheShape shape_;
  KvCacheOptions options_;
  std::shared_ptr<PagePool> pages_;
  std::vector<Sequence> sequences_;
  std::int64_t n_tokens_ = 0;
};

/// Opens, forks, appends and closes at random, and checks after each.
void play(std::uint32_t seed, const KvCacheOptions& options) {
  Dice dice(seed);
  World world({{2, 0, 1}, kDHead}, options, 4 + dice.below(30));
  std::int64_t n_refused = 0;
  for (int step = 0; step < 120; ++step) {
    const std::int64_t what = dice.below(10), n = world.n_sequences();
    if (n == 0 || (what == 0 && n < 8)) {
      world.open();
    } else if (what == 1 && n < 8) {
      world.fork(dice.below(n));
    } else if (what == 2) {
      world.close(dice.below(n));
    } else if (what == 3) {
      Sequence& sequence = world.at(dice.below(n));
      sequence.cache.clear();
      sequence.tokens.clear();
    } else {
      // What an evicting cache refuses it may have kept in part, so it is given one token at a time.
      const std::int64_t rows = options.eviction == Eviction::kNone ? 1 + dice.below(9) : 1;
      n_refused += world.append(dice.below(n), rows) ? 0 : 1;
    }
    world.check();
    if (testing::Test::HasFatalFailure()) {
      FAIL() << cache_text(options) << ", seed " << seed << ", step " << step;
    }
  }
  while (world.n_sequences() > 0)
    world.close(0);
  EXPECT_EQ(world.pages().n_used(), 0) << "leaked";
}

TEST(Pager, LeaksNothingAndSharesNothingWrongly) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    for (const std::int64_t rows : {1, 2, 5}) {
      play(seed, {.layout = CacheLayout::kPaged, .page_rows = rows});
      play(seed, {.layout = CacheLayout::kPaged, .type = KvType::kInt8, .page_rows = rows});
      play(seed, {.layout = CacheLayout::kPaged, .page_rows = rows, .eviction = Eviction::kWindow, .window = 7});
    }
  }
}

TEST(Pager, SharesFullPagesAndCopiesTheLastOneOnWriting) {
  World world({{1}, kDHead}, {.layout = CacheLayout::kPaged, .page_rows = 4}, 10);
  world.open();
  world.append(0, 10);
  world.fork(0);
  EXPECT_EQ(world.pages().n_used(), 3) << "a fork takes no page";
  world.append(1, 1);
  EXPECT_EQ(world.pages().n_used(), 4) << "the last page was copied, no other";
  const std::vector<PageUse> first = world.at(0).cache.page_table(), second = world.at(1).cache.page_table();
  EXPECT_EQ(first[0], second[0]);
  EXPECT_EQ(first[1], second[1]);
  EXPECT_EQ(first[1].n_sharers, 2);
  EXPECT_NE(first[2].page, second[2].page);
  EXPECT_EQ(first[2].n_sharers, 1);
  world.append(0, 1);
  EXPECT_EQ(world.pages().n_used(), 4) << "the first one owns its page again";
  world.check();
}

TEST(Pager, RefusesATokenThatHasNoPageAndGoesOnAfterwards) {
  World world({{1}, kDHead}, {.layout = CacheLayout::kPaged, .page_rows = 4}, 3);
  world.open();
  EXPECT_TRUE(world.append(0, 10));
  world.fork(0);
  EXPECT_FALSE(world.append(1, 1)) << "there is no page for the copy";
  EXPECT_FALSE(world.append(0, 3));
  world.check();
  world.close(1);
  EXPECT_TRUE(world.append(0, 2));
  EXPECT_FALSE(world.append(0, 1));
  world.check();
}

TEST(Pager, SaysHowManyPagesAreMissing) {
  auto pages = std::make_shared<PagePool>(4 * 2 * kDHead * 4, 3);
  const TextRows text({.n_heads = 1, .n_kv_heads = 1, .d_head = kDHead}, 20, 1);
  KvCache cache({{1}, kDHead}, {.layout = CacheLayout::kPaged, .page_rows = 4}, pool(), pages);
  cache.append(0, text.k_rows(0, 6), text.v_rows(0, 6));
  KvCache fork = cache.fork();
  try {
    fork.append(0, text.k_rows(6, 12), text.v_rows(6, 12));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "a sequence needs 2 more pages of 96 bytes, of them 1 to copy what it shares, and 1 of 3 are free");
  }
  EXPECT_EQ(fork.n_seen(), 6);
  EXPECT_EQ(pages->n_used(), 2);
}

TEST(Pager, AnswersEachForkFromItsOwnText) {
  for (const CacheLayout layout : {CacheLayout::kContiguous, CacheLayout::kPaged}) {
    for (const KvType type : {KvType::kFloat32, KvType::kFloat16}) {
      const AttentionConfig config{.n_heads = 2, .n_kv_heads = 1, .d_head = 8};
      const TextRows text(config, 24, 1);
      TextRows other(config, 24, 2);
      for (std::int64_t c = 0; c < 13 * 8; ++c) {  // one beginning
        other.k[static_cast<std::size_t>(c)] = text.k[static_cast<std::size_t>(c)];
        other.v[static_cast<std::size_t>(c)] = text.v[static_cast<std::size_t>(c)];
      }
      KvCache cache({{1}, 8}, {.layout = layout, .type = type, .page_rows = 5}, pool());
      TextAnswer answer = text.empty_answer(), aside = other.empty_answer();
      text.read(cache, 0, {0, 13}, answer);
      KvCache fork = cache.fork();
      text.read(cache, 0, {13, 24}, answer);
      other.read(fork, 0, {13, 24}, aside);
      const double tolerance = type == KvType::kFloat32 ? 1e-5 : 5e-3;
      EXPECT_LE(largest_difference(answer.out, text.answer({}).out), tolerance);
      const TextAnswer expected = other.answer({});
      for (std::int64_t head = 0; head < 2; ++head) {
        const auto at = static_cast<std::size_t>((head * 24 + 13) * 8);
        EXPECT_LE(largest_difference(std::span(aside.out).subspan(at, 88), std::span(expected.out).subspan(at, 88)), tolerance);
      }
    }
  }
}

}  // namespace
}  // namespace headroom
