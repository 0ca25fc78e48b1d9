#include "core/cost/kv_cache.h"

#include <gtest/gtest.h>

#include <limits>

namespace headroom {
namespace {

TEST(KvCache, BytesAreExact) {
  KvCacheShape shape{{8, 8, 8, 8}, 16, 10, 1, KvType::kFloat32};
  EXPECT_EQ(kv_bytes_of_layer(shape, 0), 10240);
  EXPECT_EQ(kv_bytes(shape), 40960);
  shape.type = KvType::kFloat16;
  EXPECT_EQ(kv_bytes(shape), 20480);
  shape.type = KvType::kInt8;
  EXPECT_EQ(kv_bytes(shape), 2 * 4 * 8 * 10 * (16 + 4));
  shape.batch = 3;
  EXPECT_EQ(kv_bytes(shape), 3 * 2 * 4 * 8 * 10 * (16 + 4));
}

TEST(KvCache, KnownLargeModel) {
  // 80 layers, 8 K/V heads of 128, 128 Ki tokens in float16: 40 GiB.
  const KvCacheShape shape{std::vector<std::int64_t>(80, 8), 128, 131072, 1, KvType::kFloat16};
  EXPECT_EQ(kv_bytes(shape), std::int64_t{40} << 30);
  EXPECT_EQ(bytes_text(kv_bytes(shape)), "40.00 GiB");
}

TEST(KvCache, GroupsDivideItAsTheirHeadsDo) {
  const auto with_heads = [](std::int64_t n) { return kv_bytes({{n, n, n, n}, 16, 1000, 1, KvType::kFloat32}); };
  for (const std::int64_t n : {1, 2, 4, 8})
    EXPECT_EQ(with_heads(8) / with_heads(n), 8 / n);
}

TEST(KvCache, PrunedLayersCountForThemselves) {
  const KvCacheShape shape{{8, 0, 5}, 16, 10, 1, KvType::kFloat32};
  EXPECT_EQ(kv_bytes_of_layer(shape, 1), 0);
  EXPECT_EQ(kv_bytes(shape), 2 * 10 * 13 * 16 * 4);
  EXPECT_EQ(kv_formula(shape), "2 · 1 · 10 tokens · (8 + 0 + 5) heads · 16 · 4 B = 16.25 KiB");
}

TEST(KvCache, FormulaShowsTheLiveNumbers) {
  EXPECT_EQ(kv_formula({{8, 8, 8, 8}, 16, 10, 1, KvType::kFloat32}),
            "2 · 4 layers · 1 · 10 tokens · 8 heads · 16 · 4 B = 40.00 KiB");
  EXPECT_EQ(kv_formula({{1}, 2, 1, 1, KvType::kInt8}), "2 · 1 layer · 1 · 1 token · 1 head · (2 · 1 B + 4 B) = 12 B");
  EXPECT_EQ(kv_formula({{1}, 3, 1, 1, KvType::kInt4}), "2 · 1 layer · 1 · 1 token · 1 head · ((3 + 1) / 2 · 1 B + 4 B) = 12 B");
  EXPECT_EQ(kv_formula({{}, 16, 10, 1, KvType::kFloat16}), "2 · 0 layers · 1 · 10 tokens · 0 heads · 16 · 2 B = 0 B");
  EXPECT_EQ(kv_formula({{8}, 16, 0, 1, KvType::kFloat16}), "2 · 1 layer · 1 · 0 tokens · 8 heads · 16 · 2 B = 0 B");
}

TEST(KvCache, BytesText) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.00 KiB");
  EXPECT_EQ(bytes_text(10240), "10.00 KiB");
  EXPECT_EQ(bytes_text(1536), "1.50 KiB");
  EXPECT_EQ(bytes_text(1034), "1.01 KiB");
  EXPECT_EQ(bytes_text((1 << 20) - 1), "1.00 MiB") << "never 1024.00 KiB";
  EXPECT_EQ(bytes_text((1 << 20) - 6), "1023.99 KiB");
  EXPECT_EQ(bytes_text(1 << 20), "1.00 MiB");
  EXPECT_EQ(bytes_text((1 << 30) - 1), "1.00 GiB");
  EXPECT_EQ(bytes_text(std::int64_t{3} << 40), "3072.00 GiB");
  EXPECT_EQ(bytes_text(std::numeric_limits<std::int64_t>::max()), "8589934592.00 GiB");
  EXPECT_EQ(bytes_text(-2048), "-2.00 KiB");
}

TEST(KvCache, TypesHaveNamesAndWidths) {
  EXPECT_STREQ(kv_type_name(KvType::kFloat32), "float32");
  EXPECT_STREQ(kv_type_name(KvType::kFloat16), "float16");
  EXPECT_STREQ(kv_type_name(KvType::kInt8), "int8");
  EXPECT_EQ(kv_row_bytes(KvType::kFloat32, 7), 28);
  EXPECT_EQ(kv_row_bytes(KvType::kFloat16, 7), 14);
  EXPECT_EQ(kv_row_bytes(KvType::kBFloat16, 7), 14);
  EXPECT_EQ(kv_row_bytes(KvType::kInt8, 7), 11);  // a byte a value and the scale
  EXPECT_EQ(kv_row_bytes(KvType::kInt4, 7), 8);
  EXPECT_EQ(kv_row_bytes(KvType::kInt4, 8), 8);
}

}  // namespace
}  // namespace headroom
