// How rows lie in pages, and what they read back as.

#include "core/attention/cached_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/tensor/dtype.h"
#include "core/tensor/error.h"
#include "tests/attention/cached_problem.h"

namespace headroom {
namespace {

std::vector<std::byte> page_of(const PageLayout& layout, std::byte fill = std::byte{0}) {
  return std::vector<std::byte>(static_cast<std::size_t>(layout.bytes), fill);
}

std::vector<float> row_of(std::int64_t n, std::uint64_t seed, fuzz::Values values = fuzz::Values::kNormal) {
  std::vector<float> row(static_cast<std::size_t>(n));
  fuzz::fill(row, values, seed);
  return row;
}

TEST(CachedRows, APageTakesWhatItsRowsTake) {
  struct Expected {
    RowFormat format;
    std::int64_t d_head, values, scale;
  };
  for (const Expected& e : {Expected{RowFormat::kFloat32, 5, 20, 0}, Expected{RowFormat::kFloat16, 5, 10, 0},
                            Expected{RowFormat::kBFloat16, 64, 128, 0}, Expected{RowFormat::kInt8, 33, 33, 4},
                            Expected{RowFormat::kInt4, 33, 17, 4}, Expected{RowFormat::kInt4, 64, 32, 4}}) {
    const PageLayout layout = page_layout({e.format, 3, e.d_head, 7});
    EXPECT_EQ(layout.row.values, e.values);
    EXPECT_EQ(layout.row.scale, e.scale);
    EXPECT_EQ(layout.bytes, 2 * 3 * 7 * (e.values + e.scale)) << row_format_name(e.format);
    EXPECT_EQ(layout.v_values, 3 * 7 * e.values);
    EXPECT_EQ(layout.v_scales + 3 * 7 * e.scale, layout.bytes);
  }
}

TEST(CachedRows, RefusesWhatNoPageCanBe) {
  for (const PageShape& shape :
       {PageShape{RowFormat::kInt8, 0, 8, 8}, PageShape{RowFormat::kInt8, 1, 0, 8}, PageShape{RowFormat::kInt8, 1, 257, 8},
        PageShape{RowFormat::kInt8, 1, 8, 0}, PageShape{RowFormat::kInt8, 1, 8, -4},
        PageShape{RowFormat::kInt8, 1, 8, std::int64_t{1} << 40}, PageShape{RowFormat::kFloat32, 0x7FFFFFFF, 256, 0x7FFFFFFF}})
    EXPECT_THROW(page_layout(shape), ShapeError);
}

TEST(CachedRows, EveryRowIsWrittenWhereNoOtherIs) {
  for (const RowFormat format : cached::kFormats) {
    for (const std::int64_t d_head : {1, 7, 32, 47}) {
      const PageLayout layout = page_layout({format, 2, d_head, 3});
      std::vector<std::byte> page = page_of(layout, std::byte{0xA5});
      for (std::int64_t head = 0; head < 2; ++head) {
        for (std::int64_t row = 0; row < 3; ++row) {
          const auto seed = static_cast<std::uint64_t>(head * 3 + row + 1);
          write_cached_row(layout, {page.data(), head, row}, row_of(d_head, seed).data(), row_of(d_head, seed + 50).data());
        }
      }
      std::vector<float> k(static_cast<std::size_t>(d_head)), v(k), alone_k(k), alone_v(k);
      for (std::int64_t head = 0; head < 2; ++head) {
        for (std::int64_t row = 0; row < 3; ++row) {
          const auto seed = static_cast<std::uint64_t>(head * 3 + row + 1);
          const PageLayout one = page_layout({format, 1, d_head, 1});
          std::vector<std::byte> alone = page_of(one);
          write_cached_row(one, {alone.data(), 0, 0}, row_of(d_head, seed).data(), row_of(d_head, seed + 50).data());
          read_cached_row(one, {alone.data(), 0, 0}, alone_k.data(), alone_v.data());
          read_cached_row(layout, {page.data(), head, row}, k.data(), v.data());
          EXPECT_EQ(k, alone_k);
          EXPECT_EQ(v, alone_v);
        }
      }
    }
  }
}

TEST(CachedRows, FloatsReadBackAsTheirFormatRoundsThem) {
  const std::vector<float> row = row_of(48, 4);
  for (const RowFormat format : {RowFormat::kFloat32, RowFormat::kFloat16, RowFormat::kBFloat16}) {
    const PageLayout layout = page_layout({format, 1, 48, 2});
    std::vector<std::byte> page = page_of(layout);
    write_cached_row(layout, {page.data(), 0, 1}, row.data(), row.data());
    std::vector<float> k(48), v(48);
    read_cached_row(layout, {page.data(), 0, 1}, k.data(), v.data());
    for (std::size_t c = 0; c < row.size(); ++c) {
      const float expected = format == RowFormat::kFloat32   ? row[c]
                             : format == RowFormat::kFloat16 ? from_float16(to_float16(row[c]))
                                                             : from_bfloat16(to_bfloat16(row[c]));
      EXPECT_EQ(k[c], expected);
      EXPECT_EQ(v[c], expected);
    }
  }
}

TEST(CachedRows, IntegersAreOffByHalfAScaleAtMost) {
  for (const RowFormat format : {RowFormat::kInt8, RowFormat::kInt4}) {
    const float most = format == RowFormat::kInt8 ? 127 : 7;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      fuzz::Random random(seed);
      const std::int64_t d_head = random.size(kMaxDHead);
      const std::vector<float> row = row_of(d_head, seed, static_cast<fuzz::Values>(random.below(8)));
      const PageLayout layout = page_layout({format, 1, d_head, 1});
      std::vector<std::byte> page = page_of(layout);
      write_cached_row(layout, {page.data(), 0, 0}, row.data(), row.data());
      std::vector<float> k(row.size()), v(row.size());
      read_cached_row(layout, {page.data(), 0, 0}, k.data(), v.data());
      float largest = 0, scale = 0;
      for (const float value : row)
        largest = std::max(largest, std::abs(value));
      std::memcpy(&scale, page.data() + layout.k_scales, sizeof scale);
      if (largest == 0 || largest > 1e-30F) {
        EXPECT_NEAR(scale, largest / most, 1e-6F * scale);
      }
      const double bound = static_cast<double>(scale) / 2 * (1 + 1e-6) + static_cast<double>(largest) * 1e-7;
      for (std::size_t c = 0; c < row.size(); ++c) {
        EXPECT_LE(std::abs(static_cast<double>(k[c]) - static_cast<double>(row[c])), bound) << row_format_name(format) << seed;
        EXPECT_EQ(k[c], v[c]);
      }
    }
  }
}

TEST(CachedRows, Int4LiesAsItsCommentSays) {
  // 32 values in one block, then three in pairs. The scale is 1: the integers are the values.
  std::vector<float> row(35);
  for (std::size_t c = 0; c < row.size(); ++c)
    row[c] = static_cast<float>(static_cast<int>(c % 15) - 7);
  const PageLayout layout = page_layout({RowFormat::kInt4, 1, 35, 1});
  std::vector<std::byte> page = page_of(layout);
  write_cached_row(layout, {page.data(), 0, 0}, row.data(), row.data());
  const auto code = [&](std::size_t c) { return static_cast<unsigned>(static_cast<int>(row[c]) + 8); };
  for (std::size_t i = 0; i < 16; ++i)
    EXPECT_EQ(std::to_integer<unsigned>(page[i]), code(i) | code(i + 16) << 4U) << i;
  EXPECT_EQ(std::to_integer<unsigned>(page[16]), code(32) | code(33) << 4U);
  EXPECT_EQ(std::to_integer<unsigned>(page[17]), code(34));
  std::vector<float> k(35);
  read_cached_row(layout, {page.data(), 0, 0}, k.data(), nullptr);
  EXPECT_EQ(k, row);
}

TEST(CachedRows, ANumberThatIsNoneMakesAnIntegerRowNan) {
  for (const float poison : {std::nanf(""), INFINITY, -INFINITY}) {
    for (const RowFormat format : {RowFormat::kInt8, RowFormat::kInt4}) {
      std::vector<float> row = row_of(20, 3), other = row;
      row[13] = poison;
      const PageLayout layout = page_layout({format, 1, 20, 1});
      std::vector<std::byte> page = page_of(layout);
      write_cached_row(layout, {page.data(), 0, 0}, row.data(), other.data());
      std::vector<float> k(20), v(20);
      read_cached_row(layout, {page.data(), 0, 0}, k.data(), v.data());
      for (std::size_t c = 0; c < row.size(); ++c) {
        EXPECT_TRUE(std::isnan(k[c]));
        EXPECT_TRUE(std::isfinite(v[c]));
      }
    }
  }
}

TEST(CachedRows, ACopyInAnotherPageIsTheSameRow) {
  for (const RowFormat format : cached::kFormats) {
    const PageLayout from = page_layout({format, 2, 21, 5}), to = page_layout({format, 2, 21, 9});
    std::vector<std::byte> page = page_of(from), other = page_of(to);
    write_cached_row(from, {page.data(), 1, 4}, row_of(21, 8).data(), row_of(21, 9).data());
    copy_cached_row(from, {page.data(), 1, 4}, to, {other.data(), 0, 7});
    std::vector<float> k(21), v(21), copied_k(21), copied_v(21);
    read_cached_row(from, {page.data(), 1, 4}, k.data(), v.data());
    read_cached_row(to, {other.data(), 0, 7}, copied_k.data(), copied_v.data());
    EXPECT_EQ(k, copied_k);
    EXPECT_EQ(v, copied_v);
  }
}

}  // namespace
}  // namespace headroom
