#include "core/gl/slice_walk.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace headroom::gl {
namespace {

struct Walked {
  std::vector<Slice> slices;
  std::vector<int> visits;  ///< [batch, active, query]
};

Walked walk(const AttentionConfig& config, const std::vector<std::int64_t>& active, double rows, const SliceWalk::Limits& limits,
            const HeadsPlace& out = {0, 6000, 1000, 10}) {
  Walked walked;
  walked.visits.assign(static_cast<std::size_t>(config.batch * static_cast<std::int64_t>(active.size()) * config.seq_q), 0);
  SliceWalk walker(config, active, out, 10, limits);
  while (const auto slice = walker.next(rows)) {
    walked.slices.push_back(*slice);
    EXPECT_LE(walker.out_span(*slice).size(), limits.out4);
    for (std::int64_t b = slice->first_batch; b < slice->first_batch + slice->n_batch; ++b) {
      for (std::int64_t a = slice->first_active; a < slice->first_active + slice->n_active; ++a) {
        for (std::int64_t i = slice->first_query; i < slice->first_query + slice->n_queries; ++i) {
          const std::int64_t at = (b * static_cast<std::int64_t>(active.size()) + a) * config.seq_q + i;
          ++walked.visits[static_cast<std::size_t>(at)];
        }
      }
    }
    if (walked.slices.size() > 100000) break;
  }
  return walked;
}

/// Every query once, whatever the limits; boxes of no more rows than asked for, or one granule.
TEST(SliceWalk, VisitsEveryQueryOnce) {
  AttentionConfig config;
  config.batch = 3;
  config.n_heads = 6;
  config.seq_q = 97;
  const std::vector<std::int64_t> active = {0, 1, 3, 5};
  for (const double rows : {0.0, 1.0, 31.0, 96.0, 97.0, 200.0, 388.0, 800.0, 1e9}) {
    for (const std::int64_t granule : {1, 8, 64, 200}) {
      for (const std::int64_t out4 : {10, 100, 970, 2500, 1 << 30}) {
        for (const std::int64_t most_rows : {1, 50, 1 << 30}) {
          SliceWalk::Limits limits;
          limits.granule = granule;
          limits.out4 = out4;
          limits.rows = most_rows;
          limits.groups = 5;
          const Walked walked = walk(config, active, rows, limits);
          EXPECT_TRUE(std::all_of(walked.visits.begin(), walked.visits.end(), [](int n) { return n == 1; }))
              << rows << " rows, granule " << granule << ", out4 " << out4 << ", at most " << most_rows;
          for (const Slice& slice : walked.slices) {
            const std::int64_t n = slice.n_batch * slice.n_active * slice.n_queries;
            EXPECT_LE(n, std::max<std::int64_t>(static_cast<std::int64_t>(rows), granule));
            EXPECT_LE(n, most_rows);
            EXPECT_LE(slice.n_batch * slice.n_active, 5);
          }
        }
      }
    }
  }
}

TEST(SliceWalk, TakesAllAtOnceWhereItMay) {
  AttentionConfig config;
  config.batch = 2;
  config.n_heads = 6;
  config.seq_q = 10;
  EXPECT_EQ(walk(config, {0, 2}, 1e9, {}).slices.size(), 1U);
  EXPECT_TRUE(walk(config, {}, 1e9, {}).slices.empty());
  config.seq_q = 0;
  EXPECT_TRUE(walk(config, {0}, 1e9, {}).slices.empty());
}

}  // namespace
}  // namespace headroom::gl
