#include "core/tensor/work_count.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/attention/backend.h"

namespace headroom {
namespace {

/// Inputs of a run whose numbers do not matter, only how many there are.
struct Case {
  AttentionConfig config;
  std::vector<float> q, k, v, out, logsumexp;

  explicit Case(const AttentionConfig& asked) : config(asked) {
    const auto size = [&](std::int64_t heads, std::int64_t seq) { return static_cast<std::size_t>(heads * seq * config.d_head); };
    q.assign(size(config.n_heads, config.seq_q), 0.5F);
    k.assign(size(config.n_kv_heads, config.seq_k), 0.25F);
    v.assign(size(config.n_kv_heads, config.seq_k), 1.0F);
    out.resize(q.size());
    logsumexp.resize(static_cast<std::size_t>(config.n_heads * config.seq_q));
  }

  WorkCount run(AttentionBackend& backend, AttentionWork& work) {
    const WorkScope scope;
    const auto view = [&](auto* data, std::int64_t heads, std::int64_t seq) {
      using T = std::remove_pointer_t<decltype(data)>;
      return BasicHeadsView<T>::head_major(data, 1, heads, seq, config.d_head);
    };
    backend.run(config,
                {view(q.data(), config.n_heads, config.seq_q), view(k.data(), config.n_kv_heads, config.seq_k),
                 view(v.data(), config.n_kv_heads, config.seq_k)},
                {view(out.data(), config.n_heads, config.seq_q), logsumexp, {}, &work});
    return scope.count();
  }
};

AttentionConfig grouped(std::int64_t seq_q, std::int64_t seq_k) {
  AttentionConfig config;
  config.n_heads = 4;
  config.n_kv_heads = 2;
  config.d_head = 8;
  config.seq_q = seq_q;
  config.seq_k = seq_k;
  config.mask.query_offset = seq_k - seq_q;
  return config;
}

TEST(AttentionWorkCount, ReferenceCountsWhatTheMaskKeeps) {
  const auto reference = make_reference_backend();
  AttentionWork work;
  Case causal(grouped(6, 6));
  EXPECT_EQ(causal.run(*reference, work),
            (WorkCount{.attention_flops = 4 * 8 * 4 * 21, .kv_bytes = 2 * 2 * 6 * 8 * 4, .query_bytes = 4 * 6 * 8 * 8}));
  EXPECT_EQ(work.flops, 4 * 8 * 4 * 21);
  EXPECT_EQ(work.bytes_moved, 2 * 2 * 6 * 8 * 4 + 4 * 6 * 8 * 8);

  AttentionConfig windowed = grouped(1, 6);
  windowed.mask.pattern = {.kind = PatternKind::kLocalWindow, .window = 2};
  windowed.pruned = {0, 0, 1, 1};
  Case last(windowed);  // the second K/V head is read by pruned heads alone
  EXPECT_EQ(last.run(*reference, work),
            (WorkCount{.attention_flops = 4 * 8 * 2 * 2, .kv_bytes = 2 * 1 * 2 * 8 * 4, .query_bytes = 2 * 8 * 8}));
}

TEST(AttentionWorkCount, NaiveCountsEveryPairAndItsScores) {
  ThreadPool pool(2);
  const auto naive = make_naive_backend(pool);
  AttentionWork work;
  Case causal(grouped(6, 6));
  EXPECT_EQ(causal.run(*naive, work), (WorkCount{.attention_flops = 4 * 8 * 4 * 36,
                                                 .kv_bytes = 4 * 2 * 6 * 8 * 4,
                                                 .query_bytes = 4 * 6 * 8 * 8,
                                                 .score_bytes = 4 * 4 * 36 * 4}));
  EXPECT_EQ(work.bytes_moved, 4 * 2 * 6 * 8 * 4 + 4 * 6 * 8 * 8 + 4 * 4 * 36 * 4);
}

TEST(AttentionWorkCount, FlashReadsEachKeyOnceForTheHeadsThatShareIt) {
  ThreadPool pool(2);
  const auto flash = make_flash_backend(pool), reference = make_reference_backend();
  for (const std::int64_t seq_k : {1, 5, 700}) {
    AttentionWork work, same;
    Case step(grouped(1, seq_k));
    EXPECT_EQ(step.run(*flash, work), step.run(*reference, same)) << seq_k;
    EXPECT_EQ(work.flops, same.flops);
    EXPECT_EQ(work.bytes_moved, same.bytes_moved);
  }
  AttentionWork work;
  Case whole(grouped(100, 100));
  const WorkCount done = whole.run(*flash, work);
  EXPECT_EQ(done.query_bytes, 4 * 100 * 8 * 8);
  EXPECT_EQ(done.kv_bytes + done.query_bytes, work.bytes_moved);
  EXPECT_GE(done.attention_flops, 4 * 8 * 4 * (100 * 101 / 2));  // tiles at the diagonal compute hidden pairs too
}

}  // namespace
}  // namespace headroom
