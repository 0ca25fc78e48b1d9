#include "core/kv_cache/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/tensor/error.h"
#include "core/tensor/memory.h"
#include "tests/kv_cache/text_rows.h"

namespace headroom {
namespace {

constexpr std::array kTypes{KvType::kFloat32, KvType::kFloat16, KvType::kBFloat16, KvType::kInt8, KvType::kInt4};

ThreadPool& pool() {
  static ThreadPool threads(2);
  return threads;
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

AttentionConfig grouped() { return {.n_heads = 4, .n_kv_heads = 2, .d_head = 16}; }

/// Of a model whose heads were removed unevenly, with every term that a score can have.
AttentionConfig uneven() {
  auto bias = std::make_shared<PositionBias>(PositionBias{.n_heads = 3, .reach = 5, .values = {}});
  bias->values = conformance::values(33, 5, 1);
  return {.n_heads = 3,
          .n_kv_heads = 2,
          .d_head = 5,
          .scale = 0.7F,
          .soft_cap = 3,
          .position_bias = bias,
          .pruned = {0, 1, 0},
          .kv_head_of = {0, 0, 1}};
}

/// The text with the keys and values that a cache of this type gives back.
TextRows as_kept(const TextRows& text, KvType type) {
  TextRows kept = text;
  KvCache cache({{text.config.n_kv_heads}, text.config.d_head}, {.type = type}, pool());
  cache.append(0, text.k_rows(0, text.n), text.v_rows(0, text.n));
  const auto d_head = static_cast<std::size_t>(text.config.d_head);
  for (std::int64_t head = 0; head < text.config.n_kv_heads; ++head) {
    for (std::int64_t row = 0; row < text.n; ++row) {
      const std::size_t at = static_cast<std::size_t>(head * text.n + row) * d_head;
      cache.read_row(0, head, row, {std::span(kept.k).subspan(at, d_head), std::span(kept.v).subspan(at, d_head)});
    }
  }
  return kept;
}

struct Kind {
  std::string name;
  KvCacheOptions options;
};
std::vector<Kind> kinds_without_scores() {
  std::vector<Kind> kinds;
  for (const KvType type : kTypes) {
    for (const std::int64_t page : {0, 1, 3, 16}) {
      for (const Eviction eviction : {Eviction::kNone, Eviction::kWindow, Eviction::kStreaming}) {
        KvCacheOptions options{.layout = page == 0 ? CacheLayout::kContiguous : CacheLayout::kPaged, .type = type};
        if (page > 0) options.page_rows = page;
        options.eviction = eviction;
        options.window = 6;
        options.n_first = 2;
        kinds.push_back({cache_text(options), options});
      }
    }
  }
  return kinds;
}

TEST(KvCache, AnswersAsFullAttentionUnderTheMatchingMask) {
  const std::vector<std::vector<std::int64_t>> cuts{{1}, {37}, {3, 1, 7}};
  for (const AttentionConfig& config : {grouped(), uneven()}) {
    const TextRows text(config, 37, 1);
    for (const Kind& kind : kinds_without_scores()) {
      const TextAnswer expected = as_kept(text, kind.options.type).answer(mask_of(kind.options));
      for (const std::vector<std::int64_t>& cut : cuts) {
        KvCache cache({{config.n_kv_heads}, config.d_head}, kind.options, pool());
        const TextAnswer answer = text.read_in_calls(cache, 0, cut);
        EXPECT_LE(largest_difference(answer.out, expected.out), 1e-5) << kind.name << ", calls of " << cut[0];
        EXPECT_LE(largest_difference(answer.logsumexp, expected.logsumexp), 3e-6) << kind.name << ", calls of " << cut[0];
        EXPECT_EQ(cache.n_seen(), 37);
        EXPECT_EQ(cache.n_held(), token_budget(kind.options).value_or(37));
      }
    }
  }
}

TEST(KvCache, ReadsTheMaskOfTheModelToo) {
  AttentionConfig config = grouped();
  config.mask.pattern = {.kind = PatternKind::kLocalWindow, .window = 3};
  for (const CacheLayout layout : {CacheLayout::kContiguous, CacheLayout::kPaged}) {
    const TextRows text(config, 21, 2);
    KvCache cache({{2}, 16}, {.layout = layout, .page_rows = 4, .eviction = Eviction::kWindow, .window = 9}, pool());
    const TextAnswer answer = text.read_in_calls(cache, 0, std::vector<std::int64_t>{5, 1});
    EXPECT_LE(largest_difference(answer.out, text.answer(config.mask).out), 1e-5) << static_cast<int>(layout);
  }
}

TEST(KvCache, TellsTheLastRowsProbabilitiesBySlot) {
  for (const Kind& kind : kinds_without_scores()) {
    if (kind.options.type != KvType::kFloat32) continue;
    const TextRows text(grouped(), 23, 3);
    KvCache cache({{2}, 16}, kind.options, pool());
    TextAnswer answer = text.empty_answer();
    text.read(cache, 0, {0, 20}, answer);
    text.read(cache, 0, {20, 23}, answer, TextRows::Probs::kAsked);
    const TextAnswer expected = text.answer(mask_of(kind.options));
    EXPECT_LE(largest_difference(answer.out, expected.out), 1e-5) << kind.name;
    for (std::int64_t head = 0; head < 4; ++head) {
      const std::vector<std::int32_t> positions = cache.positions(0, head / 2);
      ASSERT_EQ(std::ssize(positions), cache.n_held(0));
      for (std::size_t slot = 0; slot < positions.size(); ++slot) {
        double score = 0;
        for (std::int64_t c = 0; c < 16; ++c)
          score += static_cast<double>(text.q_rows(22, 23).row(0, head, 0)[c]) *
                   static_cast<double>(text.k_rows(0, 23).row(0, head / 2, positions[slot])[c]);
        const double prob = std::exp(score / 4 - static_cast<double>(expected.logsumexp[static_cast<std::size_t>(head * 23 + 22)]));
        EXPECT_NEAR(answer.probs[static_cast<std::size_t>(head) * positions.size() + slot], prob, 1e-5) << kind.name;
      }
    }
  }
}

TEST(KvCache, TellsWhichTokensItHoldsAndGaveUp) {
  const TextRows text(grouped(), 9, 4);
  KvCache cache({{2}, 16}, {.eviction = Eviction::kStreaming, .window = 3, .n_first = 2}, pool());
  TextAnswer answer = text.empty_answer();
  text.read(cache, 0, {0, 5}, answer);
  EXPECT_EQ(cache.positions(0, 1), (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(cache.evicted(0, 1).empty());
  EXPECT_FALSE(cache.gave_up(0, 1));
  text.read(cache, 0, {5, 9}, answer);
  EXPECT_EQ(cache.positions(0, 1), (std::vector<std::int32_t>{0, 1, 8, 6, 7}));
  EXPECT_EQ(cache.evicted(0, 1), (std::vector<std::int32_t>{2, 3, 4, 5}));
  EXPECT_EQ(cache.gave_up(0, 1), 5);
  EXPECT_TRUE(cache.received(0, 1).empty());
}

TEST(KvCache, CountsItsBytesExactly) {
  for (const KvType type : kTypes) {
    const CacheShape shape{{2, 0, 3}, 5};
    EXPECT_EQ(token_bytes(shape, type), 2 * 5 * kv_row_bytes(type, 5));
    const TextRows two({.n_heads = 2, .n_kv_heads = 2, .d_head = 5}, 10, 5),
        three({.n_heads = 3, .n_kv_heads = 3, .d_head = 5}, 10, 6);
    for (const CacheLayout layout : {CacheLayout::kContiguous, CacheLayout::kPaged}) {
      KvCache cache(shape, {.layout = layout, .type = type, .page_rows = 4}, pool());
      EXPECT_EQ(cache.bytes_used(), 0);
      EXPECT_EQ(cache.bytes_reserved(), 0);
      EXPECT_TRUE(cache.page_table().empty());
      cache.append(0, two.k_rows(0, 10), two.v_rows(0, 10));
      EXPECT_EQ(cache.n_seen(), 0) << "the last layer has none";
      cache.append(2, three.k_rows(0, 10), three.v_rows(0, 10));
      EXPECT_EQ(cache.n_seen(), 10);
      EXPECT_EQ(cache.bytes_held(2, 1), 10 * 2 * kv_row_bytes(type, 5));
      EXPECT_EQ(cache.bytes_used(), 10 * token_bytes(shape, type));
      const std::int64_t room = layout == CacheLayout::kPaged ? 12 : 64;
      EXPECT_EQ(cache.bytes_reserved(), room * token_bytes(shape, type));
      std::int64_t rows = 0, used = 0;
      for (const PageUse& page : cache.page_table()) {
        EXPECT_EQ(page.n_sharers, 1);
        rows += page.rows;
        used += page.rows_used;
      }
      EXPECT_EQ(rows, room);
      EXPECT_EQ(used, 10);
      cache.clear();
      EXPECT_EQ(cache.n_seen(), 0);
      EXPECT_EQ(cache.bytes_reserved(), 0);
    }
  }
}

TEST(KvCache, OfOneStretchReservesWhatItIsTold) {
  KvCache cache({{2}, 16}, {.type = KvType::kInt8}, pool());
  cache.reserve(100);
  EXPECT_EQ(cache.bytes_reserved(), 100 * 2 * 2 * 20);
  const TextRows text(grouped(), 101, 7);
  cache.append(0, text.k_rows(0, 100), text.v_rows(0, 100));
  EXPECT_EQ(cache.bytes_reserved(), 100 * 2 * 2 * 20);
  cache.append(0, text.k_rows(100, 101), text.v_rows(100, 101));
  EXPECT_EQ(cache.bytes_reserved(), 200 * 2 * 2 * 20);
}

TEST(KvCache, HoldsTheSameRowsHoweverTheyLie) {
  for (const AttentionConfig& config : {grouped(), uneven()}) {
    const TextRows text(config, 150, 14);
    for (const KvType type : kTypes) {
      const CacheShape shape{{2}, config.d_head};
      KvCache grown(shape, {.type = type}, pool()),
          paged(shape, {.layout = CacheLayout::kPaged, .type = type, .page_rows = 7}, pool());
      for (std::int64_t row = 0; row < text.n; ++row)
        grown.append(0, text.k_rows(row, row + 1), text.v_rows(row, row + 1));
      paged.append(0, text.k_rows(0, text.n), text.v_rows(0, text.n));
      EXPECT_EQ(grown.bytes_reserved(), 256 * token_bytes(shape, type)) << "64 doubled twice";
      const KvCache fork = grown.fork();
      const auto d_head = static_cast<std::size_t>(config.d_head);
      for (std::int64_t head = 0; head < 2; ++head) {
        for (std::int64_t row = 0; row < text.n; ++row) {
          std::vector<float> k(d_head), v(d_head), paged_k(d_head), paged_v(d_head), fork_k(d_head), fork_v(d_head);
          grown.read_row(0, head, row, {k, v});
          paged.read_row(0, head, row, {paged_k, paged_v});
          fork.read_row(0, head, row, {fork_k, fork_v});
          ASSERT_TRUE(k == paged_k && v == paged_v && k == fork_k && v == fork_v) << kv_type_name(type) << ", row " << row;
          if (type == KvType::kFloat32) {
            ASSERT_TRUE(std::ranges::equal(k, std::span(text.k_rows(0, text.n).row(0, head, row), d_head)));
          }
        }
      }
    }
  }
}

TEST(KvCache, KeepsNoMoreThanItsBudget) {
  KvCache cache({{2}, 16}, {.eviction = Eviction::kWindow, .window = 10}, pool());
  const TextRows text(grouped(), 30, 8);
  cache.append(0, text.k_rows(0, 30), text.v_rows(0, 30));
  EXPECT_EQ(cache.bytes_reserved(), 10 * token_bytes({{2}, 16}, KvType::kFloat32));
  cache.reserve(1'000'000);
  EXPECT_EQ(cache.bytes_reserved(), 10 * token_bytes({{2}, 16}, KvType::kFloat32));
}

TEST(KvCache, AnswersWithNothingWhereAllHeadsArePruned) {
  AttentionConfig config = grouped();
  config.pruned = {1, 1, 1, 1};
  const TextRows text(config, 4, 9);
  KvCache cache({{2}, 16}, {.layout = CacheLayout::kPaged}, pool());
  const TextAnswer answer = text.read_in_calls(cache, 0, std::vector<std::int64_t>{4});
  EXPECT_EQ(answer.out, std::vector<float>(answer.out.size(), 0.0F));
}

TEST(KvCache, HoldsNothingOfAModelWithoutHeads) {
  KvCache cache({{0, 0}, 16}, {.layout = CacheLayout::kPaged}, pool());
  EXPECT_EQ(cache.n_seen(), 0);
  EXPECT_EQ(cache.bytes_reserved(), 0);
  EXPECT_EQ(cache.fork().n_held(), 0);
}

TEST(KvCache, AddsUpTheWorkOfItsCalls) {
  for (const Kind& kind : kinds_without_scores()) {
    if (kind.options.layout == CacheLayout::kContiguous && kind.options.eviction == Eviction::kNone) continue;
    const TextRows text(grouped(), 19, 10);
    KvCache cache({{2}, 16}, kind.options, pool());
    TextAnswer answer = text.empty_answer();
    text.read(cache, 0, {0, 19}, answer);
    EXPECT_EQ(answer.work.flops, 4.0 * 16 * 4 * static_cast<double>(count_visible(mask_of(kind.options), 0, 19, 19))) << kind.name;
  }
}

TEST(KvCache, RefusesWhatCannotBeKept) {
  EXPECT_EQ(error_of([] { KvCache({{2}, 16}, {.page_rows = 0}, pool()); }), "a page: 0 tokens, which should be 1 to 4096");
  EXPECT_EQ(error_of([] { KvCache({{2}, 257}, {}, pool()); }), "a cache of heads of 257 numbers, which should be 1 to 256");
  EXPECT_EQ(error_of([] {
              KvCache({{2, -1}, 16}, {}, pool());
            }),
            "layer 1 of a cache has -1 K/V heads, which should be 0 to 1000000");
  EXPECT_EQ(error_of([] {
              KvCache({{2}, 16}, {.layout = CacheLayout::kPaged, .page_rows = 4}, pool(), std::make_shared<PagePool>(100, 4));
            }),
            "the pool's pages have 100 bytes; this cache needs pages of 1024");
}

TEST(KvCache, RefusesAContextLargerThanMemoryWithTheNumbers) {
  KvCache cache({std::vector<std::int64_t>(100, 1000), 256}, {}, pool());
  const std::string error = error_of([&] { cache.reserve(1'000'000'000); });
  EXPECT_EQ(error.find("a cache for 1000000000 tokens needs 204800000000000000 bytes of memory, and "), 0U) << error;
  EXPECT_EQ(cache.bytes_reserved(), 0);
  const std::string beyond = error_of([&] { cache.reserve(std::numeric_limits<std::int64_t>::max()); });
  EXPECT_NE(beyond.find("needs 9223372036854775807 bytes"), std::string::npos) << beyond;
  KvCache paged({{2}, 16}, {.layout = CacheLayout::kPaged, .page_rows = 4}, pool(), std::make_shared<PagePool>(1024, 3));
  paged.reserve(12);
  EXPECT_EQ(error_of([&] { paged.reserve(13); }), "a sequence needs 4 more pages of 1024 bytes, and 3 of 3 are free");
}

TEST(KvCache, RefusesRowsThatDoNotFit) {
  const TextRows text(grouped(), 6, 11);
  KvCache cache({{2, 0}, 16}, {}, pool());
  TextAnswer answer = text.empty_answer();
  const auto read = [&](std::int64_t layer) { return error_of([&] { text.read(cache, layer, {0, 6}, answer); }); };
  EXPECT_EQ(read(2), "layer 2 of a cache of 2 layers");
  EXPECT_NE(read(1).find("the 0 K/V heads of layer 1"), std::string::npos) << read(1);
  TextRows other = text;
  other.config.n_kv_heads = 1;
  EXPECT_EQ(error_of([&] { other.read(cache, 0, {0, 6}, answer); }), "k has the shape [1, 1, 6, 16] instead of [1, 2, 6, 16]");
  other = text;
  other.config.mask.direction = Direction::kBidirectional;
  EXPECT_EQ(error_of([&] {
              other.read(cache, 0, {0, 6}, answer);
            }),
            "a cache cannot be asked: the mask is bidirectional, but later tokens are not there yet");
  other = text;
  other.config.dropout = Dropout{.probability = 0.5F, .seed = 1};
  EXPECT_EQ(error_of([&] {
              other.read(cache, 0, {0, 6}, answer);
            }),
            "a cache cannot be asked: it drops nothing, and a dropout is set");
  EXPECT_EQ(cache.n_seen(0), 0) << "what was refused was kept";
  text.read(cache, 0, {0, 6}, answer);
  std::vector<float> k(16), v(15);
  EXPECT_EQ(error_of([&] { cache.read_row(0, 0, 6, {k, k}); }), "slot 6 of a cache that holds 6 tokens");
  EXPECT_EQ(error_of([&] { cache.read_row(0, 0, 5, {k, v}); }), "a row of a cache has 16 numbers; there is room for 16 and 15");
  EXPECT_EQ(error_of([&] { (void)cache.positions(0, 2); }), "K/V head 2 of a layer that has 2");
}

TEST(KvCache, StopsWhenToldTo) {
  const TextRows text(grouped(), 6, 12);
  KvCache cache({{2}, 16}, {.layout = CacheLayout::kPaged}, pool());
  TextAnswer answer = text.empty_answer();
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(cache.attend(0, text.config,
                            {text.q_rows(0, 6),
                             text.k_rows(0, 6),
                             text.v_rows(0, 6),
                             {HeadsView::head_major(answer.out.data(), 1, 4, 6, 16), answer.logsumexp, {}}},
                            source.get_token()),
               Cancelled);
  cache.clear();
  const TextAnswer again = text.read_in_calls(cache, 0, std::vector<std::int64_t>{6});
  EXPECT_LE(largest_difference(again.out, text.answer({}).out), 1e-5);
}

TEST(KvCache, LeavesANaNToThoseWhoSeeIt) {
  for (const Kind& kind : kinds_without_scores()) {
    TextRows text(grouped(), 12, 13);
    text.k[4 * 16] = std::numeric_limits<float>::quiet_NaN();  // of head 0, token 4
    KvCache cache({{2}, 16}, kind.options, pool());
    const TextAnswer answer = text.read_in_calls(cache, 0, std::vector<std::int64_t>{5, 1});
    const Mask mask = mask_of(kind.options);
    for (std::int64_t head = 0; head < 4; ++head) {
      for (std::int64_t row = 0; row < 12; ++row) {
        const bool sees = head < 2 && is_visible(mask, 0, row, 4);
        EXPECT_EQ(std::isnan(answer.out[static_cast<std::size_t>((head * 12 + row) * 16)]), sees)
            << kind.name << ", head " << head << ", row " << row;
      }
    }
  }
}

}  // namespace
}  // namespace headroom
