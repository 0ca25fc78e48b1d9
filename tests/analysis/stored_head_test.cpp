#include "core/analysis/stored_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "core/analysis/head_metrics.h"
#include "core/tensor/error.h"
#include "tests/analysis/tile_oracle.h"

namespace headroom {
namespace {

using test::kNaN;

using Heads = std::vector<std::vector<float>>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A capture in memory that remembers how it was read.
class MemoryAttention final : public StoredAttention {
 public:
  MemoryAttention(std::int64_t seq_q, std::int64_t seq_k, Heads heads, bool holds_scores = false)
      : seq_q_(seq_q), seq_k_(seq_k), heads_(std::move(heads)), holds_scores_(holds_scores) {}

  std::int64_t n_heads() const override { return std::ssize(heads_); }
  std::int64_t seq_q() const override { return seq_q_; }
  std::int64_t seq_k() const override { return seq_k_; }
  bool holds_scores() const override { return holds_scores_; }
  void read(std::int64_t head, std::int64_t row, std::int64_t n_rows, float* to) const override {
    ASSERT_TRUE(row >= 0 && n_rows >= 1 && row + n_rows <= seq_q_);
    if (fails) throw Error("the disk is gone");
    n_rows_read += n_rows;
    std::int64_t most = most_at_once;
    while (n_rows > most && !most_at_once.compare_exchange_weak(most, n_rows)) {
    }
    std::copy_n(heads_[static_cast<std::size_t>(head)].data() + row * seq_k_, n_rows * seq_k_, to);
  }

  bool fails = false;
  mutable std::atomic<std::int64_t> n_rows_read{0}, most_at_once{0};

 private:
  std::int64_t seq_q_, seq_k_;
  Heads heads_;
  bool holds_scores_;
};

ForwardTrace trace_of_file(std::shared_ptr<const StoredAttention> stored, Direction direction = Direction::kBidirectional) {
  ForwardTrace trace;
  trace.ids.assign(static_cast<std::size_t>(stored->seq_q()), 0);
  LayerTrace& layer = trace.layers.emplace_back();
  for (std::int64_t head = 0; head < stored->n_heads(); ++head)
    layer.heads.push_back(head);
  layer.mask.direction = direction;
  layer.stored = std::move(stored);
  return trace;
}

TileRequest whole(std::int64_t rows, std::int64_t cols, Quantity quantity = Quantity::kProbs) {
  return {.row_end = rows, .col_end = cols, .rows = rows, .cols = cols, .quantity = quantity};
}

std::vector<float> bumps(std::size_t n) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i)
    values[i] = static_cast<float>(std::sin(1.3 * static_cast<double>(i)) * 2);
  return values;
}

TEST(StoredHead, ShowsWhatLiesInTheFile) {
  // A negative number, one above 1, a NaN; zeros above the diagonal are zeros.
  const std::vector<float> file{1, 0, 0, -0.25F, 1.5F, 0, kNaN, 0.5F, 0.5F};
  const auto stored = std::make_shared<MemoryAttention>(3, 3, Heads{file});
  const Tile open = evaluate_tile(trace_of_file(stored), whole(3, 3));
  for (std::size_t i = 0; i < 9; ++i) {
    if (i == 6) {
      EXPECT_TRUE(std::isnan(open.values[i]));
    } else {
      EXPECT_EQ(open.values[i], file[i]) << i;
    }
  }
  EXPECT_THAT(open.not_numbers, testing::ElementsAre(0, 0, 0, 0, 0, 0, 1, 0, 0));
  // Under a causal mask those above it are masked: NaN as well, but no mistake of the file's.
  const Tile causal = evaluate_tile(trace_of_file(stored, Direction::kCausal), whole(3, 3));
  for (const std::size_t i : {1U, 2U, 5U})
    EXPECT_TRUE(std::isnan(causal.values[i])) << i;
  EXPECT_EQ(causal.values[4], 1.5F);
  EXPECT_EQ(causal.not_numbers, open.not_numbers);
  EXPECT_TRUE(evaluate_tile(trace_of_file(stored), {.row_end = 2, .col_end = 3, .rows = 2, .cols = 3}).not_numbers.empty());
}

/// Largest or mean over the pairs of each cell that the request looks at.
std::vector<float> pooled_by_definition(const std::vector<float>& file, std::int64_t seq_k, const TileRequest& r,
                                        const Mask& mask) {
  std::vector<float> values;
  const std::vector<std::int64_t> offsets = sampled_offsets(r);
  const std::int64_t n_rows = r.row_end - r.row_begin, n_cols = r.col_end - r.col_begin;
  for (std::int64_t row = 0; row < r.rows; ++row) {
    for (std::int64_t col = 0; col < r.cols; ++col) {
      double sum = 0, count = 0, largest = -INFINITY;
      for (const std::int64_t offset : offsets) {
        if (offset < row * n_rows / r.rows || offset >= (row + 1) * n_rows / r.rows) continue;
        for (std::int64_t j = r.col_begin + col * n_cols / r.cols; j < r.col_begin + (col + 1) * n_cols / r.cols; ++j) {
          if (!is_visible(mask, 0, r.row_begin + offset, j)) continue;
          const double value = file[static_cast<std::size_t>((r.row_begin + offset) * seq_k + j)];
          sum += value;
          largest = std::max(largest, value);
          ++count;
        }
      }
      values.push_back(count == 0 ? kNaN : static_cast<float>(r.pooling == Pooling::kMax ? largest : sum / count));
    }
  }
  return values;
}

TEST(StoredHead, PoolsRectanglesByTheirDefinition) {
  ThreadPool pool(3);
  for (const auto& [seq_q, seq_k] : std::vector<std::pair<std::int64_t, std::int64_t>>{{90, 41}, {37, 230}}) {
    const std::vector<float> file = bumps(static_cast<std::size_t>(seq_q * seq_k));
    for (const PatternKind kind : {PatternKind::kDense, PatternKind::kLocalWindow, PatternKind::kStrided}) {
      ForwardTrace trace = trace_of_file(std::make_shared<MemoryAttention>(seq_q, seq_k, Heads{file}), Direction::kCausal);
      trace.layers[0].mask.pattern = {.kind = kind, .window = 20, .stride = 7};
      trace.layers[0].mask.query_offset = 5;
      for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
        for (TileRequest request : {whole(seq_q, seq_k), TileRequest{.row_end = seq_q, .col_end = seq_k, .rows = 7, .cols = 11},
                                    TileRequest{.row_begin = 8,
                                    .row_end = seq_q,
                                    .col_begin = 3,
                                    .col_end = seq_k - 2,
                                    .rows = 5,
                                    .cols = 6,
                                    .row_samples = 2}}) {
          request.pooling = pooling;
          SCOPED_TRACE(mask_text(trace.layers[0].mask) + ", " + std::to_string(request.rows) + " x " +
                       std::to_string(request.cols));
          const Tile tile = evaluate_tile(trace, request);
          test::expect_near(tile.values, pooled_by_definition(file, seq_k, request, trace.layers[0].mask), 1e-6);
          EXPECT_TRUE(tile.not_numbers.empty());
          EXPECT_TRUE(test::has_same_bits(evaluate_tile(trace, request, {}, &pool).values, tile.values));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(StoredHead, ACellWithANanIsToldApart) {
  std::vector<float> file(64, 0.125F);
  file[10] = kNaN;  // row 1, key 2
  const ForwardTrace trace = trace_of_file(std::make_shared<MemoryAttention>(8, 8, Heads{file}));
  for (const Pooling pooling : {Pooling::kMax, Pooling::kMean}) {
    const Tile tile = evaluate_tile(trace, {.row_end = 8, .col_end = 8, .rows = 2, .cols = 2, .pooling = pooling});
    EXPECT_TRUE(std::isnan(tile.values[0]));
    EXPECT_EQ(tile.values[3], 0.125F);
    EXPECT_THAT(tile.not_numbers, testing::ElementsAre(1, 0, 0, 0));
  }
}

TEST(StoredHead, TurnsScoresIntoProbabilities) {
  // The lowest float and minus infinity are masks; a row of nothing else sees no key; a NaN takes its whole row.
  const float low = std::numeric_limits<float>::lowest();
  const std::vector<float> file{1, 2, low, 0.5F, -kInfinity, 3, -kInfinity, low, -kInfinity, 1, kNaN, 2};
  const auto stored = std::make_shared<MemoryAttention>(4, 3, Heads{file}, true);
  const ForwardTrace trace = trace_of_file(stored);
  const double e = std::exp(1.0), f = std::exp(2.5);
  test::expect_near(evaluate_tile(trace, whole(4, 3)).values,
                    {static_cast<float>(1 / (1 + e)), static_cast<float>(e / (1 + e)), kNaN, static_cast<float>(1 / (1 + f)), kNaN,
                     static_cast<float>(f / (1 + f)), kNaN, kNaN, kNaN, kNaN, kNaN, kNaN},
                    1e-6);
  EXPECT_THAT(evaluate_tile(trace, whole(4, 3)).not_numbers, testing::ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1));
  const Tile scores = evaluate_tile(trace, whole(4, 3, Quantity::kScores));
  test::expect_near(scores.values, {1, 2, kNaN, 0.5F, kNaN, 3, kNaN, kNaN, kNaN, 1, kNaN, 2}, 0);
  EXPECT_THAT(scores.not_numbers, testing::ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
  const Cell cell = evaluate_cell(trace, 0, 0, 1, 2);
  EXPECT_EQ(cell.score, 3);
  EXPECT_NEAR(cell.probability, f / (1 + f), 1e-6);
  EXPECT_TRUE(cell.q.empty() && cell.k.empty() && cell.products.empty());
  EXPECT_FALSE(evaluate_cell(trace, 0, 0, 0, 2).is_visible);
  EXPECT_TRUE(std::isnan(evaluate_cell(trace, 0, 0, 3, 0).probability));
  EXPECT_TRUE(has_scores(trace.layers[0]));
}

TEST(StoredHead, HasNoScoresWhereTheFileHasNone) {
  const ForwardTrace trace = trace_of_file(std::make_shared<MemoryAttention>(2, 3, Heads{{1, 0, 0, 0.5F, 0.25F, 0.25F}}));
  EXPECT_FALSE(has_scores(trace.layers[0]));
  EXPECT_THROW(evaluate_tile(trace, whole(2, 3, Quantity::kScores)), Error);
  const Cell cell = evaluate_cell(trace, 0, 0, 1, 2);
  EXPECT_EQ(cell.probability, 0.25);
  EXPECT_TRUE(std::isnan(cell.score));
  EXPECT_TRUE(cell.is_visible);
  EXPECT_THAT(evaluate_row(trace, 0, 0, 1), testing::ElementsAre(0.5F, 0.25F, 0.25F));
}

/// The probabilities of a computed head, as a file of them.
std::vector<float> file_of(const ForwardTrace& trace, std::int64_t head) {
  const std::int64_t seq = std::ssize(trace.ids);
  std::vector<float> file;
  for (std::int64_t i = 0; i < seq; ++i) {
    for (const float p : evaluate_row(trace, 0, head, i))
      file.push_back(std::isnan(p) ? 0 : p);
  }
  return file;
}

TEST(StoredHead, IsMeasuredAsIfItWereComputedHere) {
  for (const Direction direction : {Direction::kCausal, Direction::kBidirectional}) {
    Mask mask;
    mask.direction = direction;
    const ForwardTrace computed = test::arbitrary_trace({.seq = 40}, mask);
    const ForwardTrace stored =
        trace_of_file(std::make_shared<MemoryAttention>(40, 40, Heads{file_of(computed, 0), file_of(computed, 1)}), direction);
    for (const std::int64_t max_rows : {512, 13}) {
      const auto expected = measure_heads(computed, 2, {.max_rows = max_rows})[0];
      ThreadPool pool(2);
      const auto actual = measure_heads(stored, 2, {.max_rows = max_rows, .pool = &pool})[0];
      for (std::size_t h = 0; h < 2; ++h) {
        EXPECT_NEAR(actual[h].entropy, expected[h].entropy, 1e-5);
        EXPECT_NEAR(actual[h].relative_entropy, expected[h].relative_entropy, 1e-5);
        for (std::size_t p = 0; p < kHeadPatterns.size(); ++p)
          EXPECT_NEAR(actual[h].scores[p], expected[h].scores[p], 1e-6) << p;
        EXPECT_EQ(actual[h].has_pattern, expected[h].has_pattern);
        EXPECT_EQ(actual[h].n_rows, expected[h].n_rows);
        EXPECT_EQ(actual[h].n_rows_total, 40);
        EXPECT_EQ(actual[h].n_rows_broken, 0);
        EXPECT_LT(actual[h].largest_sum_error, 1e-5);
      }
    }
  }
}

TEST(StoredHead, TellsRowsThatAreNoProbabilities) {
  std::vector<float> file(25, 0.2F);
  file[7] = 0.5F;   // row 1 sums to 1.3
  file[11] = kNaN;  // row 2
  file[23] = kInfinity;
  const HeadMetrics head = measure_heads(trace_of_file(std::make_shared<MemoryAttention>(5, 5, Heads{file})), 1)[0][0];
  EXPECT_EQ(head.n_rows, 5);
  EXPECT_EQ(head.n_rows_broken, 2);
  EXPECT_NEAR(head.largest_sum_error, 0.3, 1e-6);
  EXPECT_TRUE(std::isfinite(head.entropy));
  EXPECT_NEAR(head.scores[2], 0.2, 1e-6);  // the row's own token, of the rows that count
}

TEST(StoredHead, OfOtherTokensNamesNoPattern) {
  std::vector<float> file(6 * 9, 0.0F);
  for (std::size_t i = 0; i < 6; ++i)
    file[9 * i] = 1;
  const HeadMetrics head = measure_heads(trace_of_file(std::make_shared<MemoryAttention>(6, 9, Heads{file})), 1)[0][0];
  EXPECT_FALSE(head.has_own_tokens);
  EXPECT_FALSE(head.has_pattern);
  EXPECT_EQ(head.entropy, 0);
}

TEST(StoredHead, SpansExtentsOverAllKeys) {
  const std::vector<float> file = bumps(20 * 33);
  const ForwardTrace trace = trace_of_file(std::make_shared<MemoryAttention>(20, 33, Heads{file}));
  TileRequest request{.row_end = 20, .col_begin = 3, .col_end = 9, .rows = 5, .cols = 2};
  const std::vector<RowExtent> pairs = row_extents(trace, request);
  request.pooling = Pooling::kMean;  // cells of 3 keys: 33 are 11 of them
  const std::vector<RowExtent> means = row_extents(trace, request);
  for (std::size_t r = 0; r < 5; ++r) {
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(r * 4 * 33);
    EXPECT_EQ(pairs[r].largest, *std::max_element(begin, begin + 4 * 33));
    EXPECT_EQ(pairs[r].smallest, *std::min_element(begin, begin + 4 * 33));
    float smallest_later = kInfinity, largest = -kInfinity;
    for (std::ptrdiff_t cell = 0; cell < 11; ++cell) {
      double sum = 0;
      for (std::ptrdiff_t at = 0; at < 12; ++at)
        sum += static_cast<double>(*(begin + at / 3 * 33 + cell * 3 + at % 3)) / 12;
      largest = std::max(largest, static_cast<float>(sum));
    }
    for (std::ptrdiff_t i = 0; i < 4; ++i)
      smallest_later = std::min(smallest_later, *std::min_element(begin + i * 33 + 1, begin + (i + 1) * 33));
    EXPECT_NEAR(means[r].largest, largest, 1e-6);
    EXPECT_EQ(pairs[r].smallest_later, smallest_later);
  }
}

/// A file far larger than memory: what it holds is known without it.
class HugeAttention final : public StoredAttention {
 public:
  static constexpr std::int64_t kSeq = 200'000;
  std::int64_t n_heads() const override { return 1; }
  std::int64_t seq_q() const override { return kSeq; }
  std::int64_t seq_k() const override { return kSeq; }
  bool holds_scores() const override { return false; }
  void read(std::int64_t, std::int64_t row, std::int64_t n_rows, float* to) const override {
    n_rows_read += n_rows;
    EXPECT_LE(n_rows * kSeq, std::int64_t{1} << 19);
    std::fill_n(to, n_rows * kSeq, static_cast<float>(row));
  }
  mutable std::atomic<std::int64_t> n_rows_read{0};
};

TEST(StoredHead, ReadsNoMoreThanItLooksAt) {
  const auto huge = std::make_shared<HugeAttention>();
  const ForwardTrace trace = trace_of_file(huge);
  const Tile tile = evaluate_tile(
      trace, {.row_end = HugeAttention::kSeq, .col_end = HugeAttention::kSeq, .rows = 4, .cols = 3, .row_samples = 2});
  EXPECT_EQ(huge->n_rows_read, 8);
  EXPECT_EQ(tile.values[0], 49'999);
  EXPECT_EQ(tile.values[11], 199'999);
}

TEST(StoredHead, IsReadFromSeveralThreadsAndStops) {
  const auto stored = std::make_shared<MemoryAttention>(300, 70, Heads{bumps(300 * 70)});
  const ForwardTrace trace = trace_of_file(stored);
  const TileRequest request{.row_end = 300, .col_end = 70, .rows = 30, .cols = 10};
  const Tile expected = evaluate_tile(trace, request);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        ThreadPool pool(2);
        for (int turn = 0; turn < 5; ++turn)
          EXPECT_TRUE(test::has_same_bits(evaluate_tile(trace, request, {}, &pool).values, expected.values));
      });
    }
  }
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(evaluate_tile(trace, request, source.get_token()), Cancelled);
  EXPECT_THROW(measure_heads(trace, 1, {.stop = source.get_token()}), Cancelled);
}

TEST(StoredHead, FailsWithASentence) {
  const auto stored = std::make_shared<MemoryAttention>(4, 4, Heads{bumps(16)});
  ForwardTrace trace = trace_of_file(stored);
  EXPECT_THROW(evaluate_tile(trace, {.row_end = 5, .col_end = 4, .rows = 1, .cols = 1}), ShapeError);
  EXPECT_THROW(evaluate_cell(trace, 0, 0, 0, 4), ShapeError);
  trace.layers[0].heads.push_back(1);  // the file has no such head
  EXPECT_THROW(evaluate_tile(trace, {.head = 1, .row_end = 4, .col_end = 4, .rows = 1, .cols = 1}), ShapeError);
  stored->fails = true;
  EXPECT_THROW(evaluate_tile(trace, whole(4, 4)), Error);
}

}  // namespace
}  // namespace headroom
