// Few rows over many keys: stretches of keys on several threads, margins that only some queries see, and counted work.

#include <gtest/gtest.h>

#include <string>

#include "core/attention/flash_decode.h"
#include "tests/attention/conformance.h"

namespace headroom {
namespace {

using conformance::Case;

bool is_decoded(const AttentionConfig& config) {
  flash_detail::Plan plan;
  plan.make(config, 48);
  const AttentionInputs inputs;
  const AttentionOutputs outputs;
  return flash_detail::Decoder::suits({config, inputs, outputs, plan});
}

Case decode_case(const std::string& name, const conformance::Sizes& sizes, KvStorage storage) {
  Case c = conformance::make_case(name + "_" + kv_storage_name(storage), sizes);
  c.config.mask.query_offset = sizes.seq_k - sizes.seq_q;
  c.config.kv_storage = storage;
  return c;
}

TEST(FlashDecode, AgreesWithTheReferenceOnAnyNumberOfThreads) {
  int n_decoded = 0;
  for (const int n_threads : {1, 2, 5}) {
    ThreadPool pool(n_threads);
    const auto flash = make_flash_backend(pool);
    for (const KvStorage storage : {KvStorage::kFloat32, KvStorage::kFloat16, KvStorage::kBFloat16}) {
      for (const auto& sizes : std::vector<conformance::Sizes>{{1, 1, 1, 1, 16},
                                                               {1, 1, 1, 1999, 64},
                                                               {2, 1, 1, 1501, 48},
                                                               {3, 1, 1, 700, 33},
                                                               {8, 1, 1, 1300, 20},
                                                               {8, 2, 1, 2000, 128},
                                                               {2, 2, 4, 900, 64},
                                                               {4, 1, 2, 1024, 80},
                                                               {6, 3, 3, 555, 17},
                                                               {4, 4, 8, 600, 96}}) {
        Case c =
            decode_case(std::to_string(n_threads) + "_threads_" + std::to_string(sizes.seq_q) + "x" + std::to_string(sizes.seq_k),
                        sizes, storage);
        n_decoded += is_decoded(c.config) ? 1 : 0;
        EXPECT_EQ(conformance::check(*flash, c), "");
        c.config.mask.pattern.kind = PatternKind::kLocalWindow;
        c.config.mask.pattern.window = 300;
        EXPECT_EQ(conformance::check(*flash, c), "");
        c.config.mask.pattern.kind = PatternKind::kDense;
        c.config.batch = 2;
        c.config.mask.key_lengths = {sizes.seq_k, sizes.seq_k * 2 / 3 + 1};
        EXPECT_EQ(conformance::check(*flash, c), "");
      }
    }
  }
  EXPECT_GT(n_decoded, 40);
}

TEST(FlashDecode, LeavesManyRowsAndScatteredKeysToTiles) {
  EXPECT_TRUE(is_decoded(decode_case("few", {8, 2, 1, 100, 16}, KvStorage::kFloat32).config));
  EXPECT_FALSE(is_decoded(decode_case("many", {8, 2, 9, 100, 16}, KvStorage::kFloat32).config));
  Case c = decode_case("strided", {8, 2, 1, 100, 16}, KvStorage::kFloat32);
  c.config.mask.pattern = conformance::make_pattern(PatternKind::kStrided, 1, 100);
  EXPECT_FALSE(is_decoded(c.config));
}

TEST(FlashDecode, AKeyThatAQueryDoesNotSeeNeverReachesIt) {
  const Case c = decode_case("unseen", {4, 2, 2, 300, 24}, KvStorage::kFloat32);
  ASSERT_TRUE(is_decoded(c.config));
  conformance::Problem problem(c);
  for (std::int64_t head = 0; head < 2; ++head) {
    for (std::int64_t d = 0; d < 24; ++d) {
      problem.v_memory[static_cast<std::size_t>((head * 300 + 299) * 24 + d)] = std::nanf("");
      problem.k_memory[static_cast<std::size_t>((head * 300 + 299) * 24 + d)] = std::nanf("");
    }
  }
  ThreadPool pool(2);
  conformance::Answer answer(c, false);
  make_flash_backend(pool)->run(c.config, problem.inputs, answer.outputs());
  for (std::int64_t head = 0; head < 4; ++head) {
    EXPECT_TRUE(std::isfinite(answer.out.row(0, head, 0)[0])) << head;
    EXPECT_TRUE(std::isnan(answer.out.row(0, head, 1)[0])) << head;
  }
}

TEST(FlashDecode, CountsWhatItReads) {
  ThreadPool pool(2);
  const auto flash = make_flash_backend(pool);
  for (const KvStorage storage : {KvStorage::kFloat32, KvStorage::kFloat16}) {
    const Case c = decode_case("counted", {8, 2, 1, 640, 32}, storage);
    const conformance::Problem problem(c);
    conformance::Answer answer(c, false);
    AttentionOutputs outputs = answer.outputs();
    AttentionWork work;
    outputs.work = &work;
    flash->run(c.config, problem.inputs, outputs);
    EXPECT_EQ(work.flops, 4.0 * 640 * 8 * 32);
    const double kv_bytes = storage == KvStorage::kFloat32 ? 4 : 2;
    EXPECT_EQ(work.bytes_moved, 2 * 640 * 2 * 32 * kv_bytes + 2 * 8 * 32 * 4.0);
    EXPECT_GT(work.bytes_allocated, 0);
    EXPECT_LT(work.bytes_allocated, 1 << 20);
  }
}

TEST(Flash, CountsWhatItComputesAndReads) {
  ThreadPool pool(2);
  const auto flash = make_flash_backend(pool);
  const Case full = conformance::make_case("full", {2, 2, 96, 256, 32}, PatternKind::kDense, Direction::kBidirectional);
  const Case causal = conformance::make_case("causal", {2, 2, 256, 256, 32});
  const auto run = [&](const Case& c) {
    const conformance::Problem problem(c);
    conformance::Answer answer(c, false);
    AttentionOutputs outputs = answer.outputs();
    AttentionWork work;
    outputs.work = &work;
    flash->run(c.config, problem.inputs, outputs);
    return work;
  };
  EXPECT_EQ(run(full).flops, 4.0 * 96 * 256 * 2 * 32);
  EXPECT_GE(run(full).bytes_moved, 2.0 * (96 * 32 * 8 + 256 * 32 * 8));
  const double needed = 4.0 * 256 * 257 / 2 * 2 * 32;
  EXPECT_GE(run(causal).flops, needed);
  EXPECT_LE(run(causal).flops, 1.2 * needed);
}

}  // namespace
}  // namespace headroom
