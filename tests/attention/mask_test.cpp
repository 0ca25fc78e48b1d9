#include "core/attention/mask.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <vector>

#include "core/attention/counter_hash.h"

namespace headroom {
namespace {

/// Row i of a mask as text: '#' visible, '.' hidden.
std::vector<std::string> draw(const Mask& mask, std::int64_t seq_q, std::int64_t seq_k) {
  std::vector<std::string> rows;
  for (std::int64_t i = 0; i < seq_q; ++i) {
    std::string row;
    for (std::int64_t j = 0; j < seq_k; ++j) {
      row += is_visible(mask, 0, i, j) ? '#' : '.';
    }
    rows.push_back(row);
  }
  return rows;
}

Mask make_mask(PatternKind kind, Direction direction, std::int64_t query_offset = 0) {
  Mask mask;
  mask.direction = direction;
  mask.query_offset = query_offset;
  mask.pattern.kind = kind;
  return mask;
}

using Rows = std::vector<std::string>;

TEST(Mask, CausalSeesItselfAndWhatCameBefore) {
  EXPECT_EQ(draw(make_mask(PatternKind::kDense, Direction::kCausal), 4, 4), (Rows{"#...", "##..", "###.", "####"}));
  EXPECT_EQ(draw(make_mask(PatternKind::kDense, Direction::kCausal, 2), 3, 5), (Rows{"###..", "####.", "#####"}));
  EXPECT_EQ(draw(make_mask(PatternKind::kDense, Direction::kBidirectional, 2), 2, 3), (Rows{"###", "###"}));
}

TEST(Mask, LocalWindowHoldsWindowKeys) {
  Mask mask = make_mask(PatternKind::kLocalWindow, Direction::kCausal);
  mask.pattern.window = 2;
  EXPECT_EQ(draw(mask, 4, 4), (Rows{"#...", "##..", ".##.", "..##"}));
  mask.direction = Direction::kBidirectional;
  EXPECT_EQ(draw(mask, 4, 4), (Rows{"##..", "###.", ".###", "..##"}));
  mask.query_offset = 1;
  EXPECT_EQ(draw(mask, 2, 4), (Rows{"###.", ".###"}));
}

TEST(Mask, StridedKeepsNeighboursAndMultiples) {
  Mask mask = make_mask(PatternKind::kStrided, Direction::kCausal);
  mask.pattern.stride = 3;
  EXPECT_EQ(draw(mask, 7, 7), (Rows{"#......", "##.....", "###....", "####...", ".####..", "..####.", "#..####"}));
  mask.direction = Direction::kBidirectional;
  EXPECT_EQ(draw(mask, 1, 8), (Rows{"####..#."}));
}

TEST(Mask, GlobalPositionsSeeAllAndAreSeenByAll) {
  Mask mask = make_mask(PatternKind::kGlobalLocal, Direction::kBidirectional);
  mask.pattern.n_global = 1;
  mask.pattern.window = 1;
  EXPECT_EQ(draw(mask, 4, 4), (Rows{"####", "##..", "#.#.", "#..#"}));
  mask.direction = Direction::kCausal;
  EXPECT_EQ(draw(mask, 4, 4), (Rows{"#...", "##..", "#.#.", "#..#"}));
  mask.query_offset = 2;  // no query stands at the global position
  EXPECT_EQ(draw(mask, 2, 4), (Rows{"#.#.", "#..#"}));
}

TEST(Mask, HashedBucketsMatchQueryAndKey) {
  Mask mask = make_mask(PatternKind::kHashedBuckets, Direction::kBidirectional, 7);
  mask.pattern.query_bucket = {1, 2, 9};
  mask.pattern.key_bucket = {2, 1, 1, 0};
  EXPECT_EQ(draw(mask, 3, 4), (Rows{".##.", "#...", "...."}));
}

TEST(Mask, PaddingIsNeverVisible) {
  Mask mask = make_mask(PatternKind::kDense, Direction::kBidirectional);
  mask.key_lengths = {2, 0};
  EXPECT_EQ(draw(mask, 1, 4), (Rows{"##.."}));
  EXPECT_FALSE(is_visible(mask, 1, 0, 0));
}

TEST(Mask, EachBlockDrawsItsNumberOfEarlierBlocks) {
  MaskPattern pattern;
  for (const std::int64_t n : {0, 1, 2, 5, 64}) {
    pattern.blocks_per_row = n;
    for (std::int64_t from = 0; from < 150; ++from) {
      std::int64_t drawn = 0;
      for (std::int64_t to = -1; to < from + 3; ++to) {
        drawn += draws_block(pattern, from, to) ? 1 : 0;
      }
      EXPECT_EQ(drawn, std::min(n, from)) << "block " << from;
    }
  }
}

TEST(Mask, RandomBlocksAreWholeSeededAndStable) {
  Mask mask = make_mask(PatternKind::kRandomBlocks, Direction::kCausal);
  mask.pattern.block = 2;
  const Rows ten = draw(mask, 10, 10);
  for (std::size_t i = 0; i < 10; ++i) {  // the own block, up to the diagonal
    EXPECT_EQ(ten[i][i], '#');
    EXPECT_EQ(ten[i][i / 2 * 2], '#');
  }
  const Rows twelve = draw(mask, 12, 12);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(twelve[i].substr(0, 10), ten[i]) << "two more tokens reshuffled row " << i;
  }
  Mask other = mask;
  other.pattern.seed = 2;
  EXPECT_NE(draw(other, 40, 40), draw(mask, 40, 40));
  mask.direction = Direction::kBidirectional;
  for (std::int64_t i = 0; i < 20; ++i) {
    for (std::int64_t j = 0; j < 20; ++j) {
      EXPECT_EQ(is_visible(mask, 0, i, j), is_visible(mask, 0, j, i));
    }
  }
}

TEST(Mask, HashIsTheSameOnEveryPlatform) {
  EXPECT_EQ(scramble(1), 1753845952U);
  EXPECT_EQ(counter_hash(1, {2, 3}), scramble(scramble(scramble(scramble(1)) ^ 2) ^ 3));
  EXPECT_NE(counter_hash(1, {0}), counter_hash(1ULL << 32 | 1U, {0})) << "the high half of the seed counts";
}

TEST(Mask, HasAText) {
  Mask mask;
  EXPECT_EQ(mask_text(mask), "causal");
  mask.direction = Direction::kBidirectional;
  EXPECT_EQ(mask_text(mask), "bidirectional");
  mask.direction = Direction::kCausal;
  mask.pattern.kind = PatternKind::kLocalWindow;
  EXPECT_EQ(mask_text(mask), "causal, local window 4");
  mask.pattern.kind = PatternKind::kStrided;
  EXPECT_EQ(mask_text(mask), "causal, strided 4");
  mask.pattern.kind = PatternKind::kGlobalLocal;
  EXPECT_EQ(mask_text(mask), "causal, global 1 + local window 4");
  mask.pattern.kind = PatternKind::kRandomBlocks;
  EXPECT_EQ(mask_text(mask), "causal, random blocks 1 of 4");
  mask.pattern.kind = PatternKind::kHashedBuckets;
  EXPECT_EQ(mask_text(mask), "causal, hashed buckets");
}

/// Masks of every kind with small and large parameters.
std::vector<Mask> many_masks(std::int64_t seq) {
  std::vector<Mask> masks;
  for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
    for (const std::int64_t offset : {0, 1, 5, 38, 100}) {
      for (int kind = 0; kind <= static_cast<int>(PatternKind::kHashedBuckets); ++kind) {
        for (const std::int64_t size : {1, 2, 3, 7}) {
          Mask mask = make_mask(static_cast<PatternKind>(kind), direction, offset);
          mask.pattern.window = mask.pattern.stride = mask.pattern.block = size;
          mask.pattern.n_global = mask.pattern.blocks_per_row = size - 1;
          for (std::int64_t i = 0; i < seq; ++i) {
            mask.pattern.query_bucket.push_back(static_cast<std::int32_t>(scramble(static_cast<std::uint32_t>(i)) % size));
            mask.pattern.key_bucket.push_back(static_cast<std::int32_t>(scramble(static_cast<std::uint32_t>(i + 99)) % size));
          }
          if (size == 3) mask.key_lengths = {seq * 2 / 3};
          masks.push_back(mask);
        }
      }
    }
  }
  return masks;
}

struct Seen {
  std::int64_t count = 0, first = -1, last = -1;
};

Seen look(const Mask& mask, std::int64_t i, std::int64_t seq_k) {
  Seen seen;
  for (std::int64_t j = 0; j < seq_k; ++j) {
    if (!is_visible(mask, 0, i, j)) continue;
    ++seen.count;
    if (seen.first < 0) seen.first = j;
    seen.last = j;
  }
  return seen;
}

TEST(MaskProperty, KeyRangeIsTheSmallestAndCountVisibleCounts) {
  for (const std::int64_t seq : {1, 2, 3, 5, 8, 13, 24, 40}) {
    for (const Mask& mask : many_masks(seq)) {
      std::int64_t total = 0;
      for (std::int64_t i = 0; i < seq; ++i) {
        const Seen seen = look(mask, i, seq);
        const KeyRange range = key_range(mask, 0, i, seq);
        total += seen.count;
        if (seen.count == 0) {
          ASSERT_EQ(range.begin, range.end) << mask_text(mask);
        } else {
          ASSERT_EQ(range.begin, seen.first) << mask_text(mask) << " seq " << seq << " row " << i;
          ASSERT_EQ(range.end, seen.last + 1) << mask_text(mask) << " seq " << seq << " row " << i;
          if (is_range_mask(mask)) {
            ASSERT_EQ(range.end - range.begin, seen.count) << mask_text(mask);
          }
        }
      }
      ASSERT_EQ(count_visible(mask, 0, seq, seq), total) << mask_text(mask);
    }
  }
}

/// Visible pairs of every rectangle, by a table of sums over rectangles that begin at 0, 0.
class Table {
 public:
  Table(const Mask& mask, std::int64_t n) : side_(n + 1), sums_(static_cast<std::size_t>(side_ * side_), 0) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        at(i + 1, j + 1) = (is_visible(mask, 0, i, j) ? 1 : 0) + at(i, j + 1) + at(i + 1, j) - at(i, j);
      }
    }
  }
  std::int64_t count(KeyRange q, KeyRange k) {
    return at(q.end, k.end) - at(q.begin, k.end) - at(q.end, k.begin) + at(q.begin, k.begin);
  }

 private:
  std::int64_t& at(std::int64_t i, std::int64_t j) { return sums_[static_cast<std::size_t>(i * side_ + j)]; }
  std::int64_t side_;
  std::vector<std::int64_t> sums_;
};

TEST(MaskProperty, TileVisibilityIsNeverWrongAndSeldomVague) {
  constexpr std::int64_t kSeq = 40;
  for (const Mask& mask : many_masks(kSeq)) {
    Table table(mask, kSeq);
    for (std::int64_t i0 = 0; i0 < kSeq; i0 += 3) {
      for (const std::int64_t height : {1, 2, 5, 16, 40}) {
        for (std::int64_t j0 = 0; j0 < kSeq; ++j0) {
          for (const std::int64_t width : {1, 3, 4, 11, 40}) {
            const KeyRange queries{i0, std::min(kSeq, i0 + height)}, keys{j0, std::min(kSeq, j0 + width)};
            const std::int64_t visible = table.count(queries, keys);
            const std::int64_t pairs = (queries.end - queries.begin) * (keys.end - keys.begin);
            const TileVisibility answer = tile_visibility(mask, 0, queries, keys);
            const auto where = [&] {
              return mask_text(mask) + " offset " + std::to_string(mask.query_offset) + " queries " + std::to_string(i0) + "+" +
                     std::to_string(height) + " keys " + std::to_string(j0) + "+" + std::to_string(width);
            };
            if (answer == TileVisibility::kNone) {
              ASSERT_EQ(visible, 0) << where();
            }
            if (answer == TileVisibility::kAll) {
              ASSERT_EQ(visible, pairs) << where();
            }
            if (pairs == 1) {
              ASSERT_EQ(answer, visible == 1 ? TileVisibility::kAll : TileVisibility::kNone) << where();
            }
            // Dense and local tiles are judged exactly; that is what makes skipping pay.
            if (mask.pattern.kind == PatternKind::kDense && mask.key_lengths.empty()) {
              ASSERT_EQ(answer == TileVisibility::kNone, visible == 0) << where();
              ASSERT_EQ(answer == TileVisibility::kAll, visible == pairs) << where();
            }
          }
        }
      }
    }
  }
}

TEST(MaskProperty, AnEmptyTileIsNone) {
  EXPECT_EQ(tile_visibility(Mask{}, 0, {3, 3}, {0, 2}), TileVisibility::kNone);
  EXPECT_EQ(tile_visibility(Mask{}, 0, {0, 3}, {2, 2}), TileVisibility::kNone);
}

}  // namespace
}  // namespace headroom
