#include "core/attention/pool_kernel.h"

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/pool_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/attention/sum_step-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using score_detail::CellPooling;
using score_detail::CellSums;
using score_detail::CellTarget;
using score_detail::CellValue;
using score_detail::ChunkCall;
using score_detail::kKeysPerStep;
using score_detail::LaneBlock;
using score_detail::PoolJob;
using score_detail::RowCells;

/// exp(score - logsumexp). Edge  0 for a score of -inf.
HWY_INLINE FloatVec prob_of(FloatVec score, FloatVec logsumexp) {
  const Floats d;
  return exp2_non_positive(d, hn::Mul(hn::Sub(score, logsumexp), hn::Set(d, kLog2E)));
}

// Of one vector of rows over `n` keys, whose scores (-inf where hidden) lie `width` apart.

HWY_INLINE FloatVec largest_of(const float* scores, std::int64_t n, std::int64_t width) {
  const Floats d;
  FloatVec even = hn::Load(d, scores), odd = even;
  std::int64_t j = 1;
  for (; j + 2 <= n; j += 2) {
    odd = hn::Max(odd, hn::Load(d, scores + j * width));
    even = hn::Max(even, hn::Load(d, scores + (j + 1) * width));
  }
  if (j < n) odd = hn::Max(odd, hn::Load(d, scores + j * width));
  return hn::Max(even, odd);
}

HWY_INLINE FloatVec number_of_visible(const float* scores, std::int64_t n, std::int64_t width) {
  const Floats d;
  FloatVec count = hn::Zero(d);
  for (std::int64_t j = 0; j < n; ++j) {
    const auto is_hidden = hn::Eq(hn::Load(d, scores + j * width), hn::Set(d, kMinusInfinity));
    count = hn::Add(count, hn::IfThenZeroElse(is_hidden, hn::Set(d, 1.0F)));
  }
  return count;
}

HWY_INLINE FloatVec sum_of_scores(const float* scores, std::int64_t n, std::int64_t width) {
  const Floats d;
  FloatVec sum = hn::Zero(d);
  for (std::int64_t j = 0; j < n; ++j) {
    const FloatVec score = hn::Load(d, scores + j * width);
    sum = hn::Add(sum, hn::IfThenZeroElse(hn::Eq(score, hn::Set(d, kMinusInfinity)), score));
  }
  return sum;
}

HWY_INLINE FloatVec sum_of_probs(const float* scores, std::int64_t n, std::int64_t width, FloatVec logsumexp) {
  const Floats d;
  FloatVec sum = hn::Zero(d);
  for (std::int64_t j = 0; j < n; ++j)
    sum = hn::Add(sum, prob_of(hn::Load(d, scores + j * width), logsumexp));
  return sum;
}

HWY_INLINE FloatVec sum_of_terms(const float* terms, std::int64_t n, std::int64_t width) {
  const Floats d;
  FloatVec sum = hn::Zero(d);
  for (std::int64_t j = 0; j < n; ++j)
    sum = hn::Add(sum, hn::Load(d, terms + j * width));
  return sum;
}

/// Probability of the largest score, -inf where there is none.
HWY_INLINE FloatVec prob_of_largest(FloatVec largest, FloatVec logsumexp) {
  const Floats d;
  const FloatVec minus = hn::Set(d, kMinusInfinity);
  return hn::IfThenElse(hn::Eq(largest, minus), minus, prob_of(largest, logsumexp));
}

/// turned[lane * kKeysPerStep + c] = pooled[c * width + lane] for c < n: each row's cells side by side.
HWY_INLINE void turn(const float* pooled, std::int64_t n, std::int64_t width, float* turned) {
  std::int64_t c = 0;
  for (; c + 4 <= n; c += 4) {
    const float* const four[4] = {pooled + c * width, pooled + (c + 1) * width, pooled + (c + 2) * width, pooled + (c + 3) * width};
    transpose_four(four, width, turned + c, kKeysPerStep);
  }
  for (; c < n; ++c) {
    for (std::int64_t lane = 0; lane < width; ++lane)
      turned[lane * kKeysPerStep + c] = pooled[c * width + lane];
  }
}

/// Where a step's pooled values wait to be merged into cells.
struct Waiting {
  float* values;   // [kKeysPerStep, width]
  float* n_pairs;  // the same
  float* turned;   // [width, kKeysPerStep]
};

/// A range of columns of cells.
struct CellRange {
  std::int64_t begin = 0, end = 0;
};

HWY_INLINE void merge(const LaneBlock& block, const CellTarget& target, const Waiting& waiting, CellRange columns) {
  CellSums& cells = target.cells;
  const std::int64_t n = columns.end - columns.begin;
  turn(waiting.values, n, block.width(), waiting.turned);
  const auto cell = [&](std::int64_t lane) {
    return static_cast<std::size_t>(target.lane_rows[static_cast<std::size_t>(lane)] * cells.n_columns + columns.begin);
  };
  if (!cells.largest.empty()) {
    for (std::int64_t lane = 0; lane < block.n_rows(); ++lane) {
      float* const largest = cells.largest.data() + cell(lane);
      const float* const found = waiting.turned + lane * kKeysPerStep;
      for (std::int64_t c = 0; c < n; ++c)
        largest[c] = largest[c] < found[c] ? found[c] : largest[c];
    }
    return;
  }
  const auto add = [&](std::vector<double>& to) {
    for (std::int64_t lane = 0; lane < block.n_rows(); ++lane) {
      double* const sums = to.data() + cell(lane);
      const float* const found = waiting.turned + lane * kKeysPerStep;
      for (std::int64_t c = 0; c < n; ++c)
        sums[c] += static_cast<double>(found[c]);
    }
  };
  add(cells.sums);
  turn(waiting.n_pairs, n, block.width(), waiting.turned);
  add(cells.n_pairs);
}

/// Calls body(cell, part) for each cell of which `keys` holds a part.
template <typename Body>
HWY_INLINE void for_each_cell(const score_detail::CellColumns& columns, KeyRange keys, const Body& body) {
  for (std::int64_t begin = keys.begin, cell = columns.cell_of(begin); begin < keys.end; ++cell) {
    const KeyRange part{begin, std::min(keys.end, columns.begin_of(cell + 1))};
    begin = part.end;
    body(cell, part);
  }
}

template <int kVectors>
class ChunkPool {
 public:
  static constexpr std::int64_t kWidth = kVectors * kLanes;

  explicit ChunkPool(const ChunkCall& call)
      : call_(call), block_(call.block), scores_(call.scratch), waiting_(waiting_in(call.scratch)) {}

  static Waiting waiting_in(float* scratch) {
    float* const values = scratch + (kKeysPerStep + kTileRows) * kWidth;
    return {values, values + kKeysPerStep * kWidth, values + 2 * kKeysPerStep * kWidth};
  }

  void pool(const PoolJob& job, const CellTarget& target) {
    ScoreSteps<kVectors> steps(call_.source, block_, scores_);
    steps.for_each(call_.chunk, [&](KeyRange keys, TileVisibility visibility) HWY_ATTR {
      const std::int64_t first = job.columns.cell_of(keys.begin);
      std::int64_t n = 0;
      for_each_cell(job.columns, keys, [&](std::int64_t, KeyRange part) HWY_ATTR {
        pool_part(job, visibility, scores_ + (part.begin - keys.begin) * kWidth, part.end - part.begin, n++);
      });
      merge(block_, target, waiting_, {first, first + n});
    });
  }

  void sum(RowCells& cells) {
    ScoreSteps<kVectors> steps(call_.source, block_, scores_);
    steps.for_each(call_.chunk, [&](KeyRange keys, TileVisibility visibility) HWY_ATTR {
      const score_detail::CellColumns& columns = cells.job().columns;
      const KeyRange shared{std::max(keys.begin, columns.keys.begin), std::min(keys.end, columns.keys.end)};
      const auto part_scores = [&](KeyRange part) { return scores_ + (part.begin - keys.begin) * kWidth; };
      if (cells.job().pooling == CellPooling::kMax) {
        for_each_cell(columns, shared, [&](std::int64_t cell, KeyRange part) HWY_ATTR {
          keep_largest(part_scores(part), part.end - part.begin, cells.kept(cell));
        });
        add<false>(keys, visibility);
        return;
      }
      for_each_cell(columns, shared, [&](std::int64_t cell, KeyRange part) HWY_ATTR {
        keep_number(visibility, part_scores(part), part.end - part.begin, cells.n_pairs(cell));
      });
      add<true>(keys, visibility);
      for_each_cell(columns, shared, [&](std::int64_t cell, KeyRange part) HWY_ATTR {
        keep_terms(part_scores(part), part.end - part.begin, cells.kept(cell), cells.origin(cell));
      });
    });
  }

 private:
  template <bool kKeepTerms>
  void add(KeyRange keys, TileVisibility visibility) {
    if (visibility == TileVisibility::kAll) {
      add_step<kVectors, false, kKeepTerms>(block_, keys, scores_);
    } else {
      add_step<kVectors, true, kKeepTerms>(block_, keys, scores_);
    }
  }

  void pool_part(const PoolJob& job, TileVisibility visibility, const float* scores, std::int64_t n_keys, std::int64_t index) {
    const Floats d;
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      const FloatVec logsumexp = hn::Load(d, block_.state(0) + lane);
      const float* const from = scores + lane;
      const std::int64_t at = index * kWidth + lane;
      if (job.pooling == CellPooling::kMax) {
        const FloatVec largest = largest_of(from, n_keys, kWidth);
        hn::Store(job.value == CellValue::kScore ? largest : prob_of_largest(largest, logsumexp), d, waiting_.values + at);
        continue;
      }
      const FloatVec sum =
          job.value == CellValue::kScore ? sum_of_scores(from, n_keys, kWidth) : sum_of_probs(from, n_keys, kWidth, logsumexp);
      hn::Store(sum, d, waiting_.values + at);
      hn::Store(number(visibility, from, n_keys), d, waiting_.n_pairs + at);
    }
  }

  static FloatVec number(TileVisibility visibility, const float* scores, std::int64_t n_keys) {
    if (visibility == TileVisibility::kAll) return hn::Set(Floats(), static_cast<float>(n_keys));
    return number_of_visible(scores, n_keys, kWidth);
  }

  void keep_largest(const float* scores, std::int64_t n_keys, float* largest) {
    const Floats d;
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      hn::Store(hn::Max(hn::Load(d, largest + lane), largest_of(scores + lane, n_keys, kWidth)), d, largest + lane);
    }
  }

  void keep_number(TileVisibility visibility, const float* scores, std::int64_t n_keys, float* n_pairs) {
    const Floats d;
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      hn::Store(hn::Add(hn::Load(d, n_pairs + lane), number(visibility, scores + lane, n_keys)), d, n_pairs + lane);
    }
  }

  /// A cell that reaches over several steps follows its rows' origins; one that is done keeps its last.
  void keep_terms(const float* terms, std::int64_t n_keys, float* kept, float* origin) {
    const Floats d;
    const FloatVec minus = hn::Set(d, kMinusInfinity);
    for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
      const FloatVec now = hn::Load(d, block_.state(5) + lane), before = hn::Load(d, origin + lane);
      const FloatVec now_or_zero = hn::IfThenZeroElse(hn::Eq(now, minus), now);
      const FloatVec factor = exp2_non_positive(d, hn::Sub(before, now_or_zero));
      const FloatVec sum = sum_of_terms(terms + lane, n_keys, kWidth);
      hn::Store(hn::MulAdd(hn::Load(d, kept + lane), factor, sum), d, kept + lane);
      hn::Store(now, d, origin + lane);
    }
  }

  const ChunkCall& call_;
  LaneBlock& block_;
  float* scores_;
  Waiting waiting_;
};

void PoolChunk(const ChunkCall& call, const PoolJob& job, const CellTarget& target) {
  with_width(call.block.width(), [&](auto vectors) HWY_ATTR { ChunkPool<vectors()>(call).pool(job, target); });
}

void SumChunk(const ChunkCall& call, RowCells& cells) {
  with_width(call.block.width(), [&](auto vectors) HWY_ATTR { ChunkPool<vectors()>(call).sum(cells); });
}

void FinishCells(const RowCells& row_cells, LaneBlock& block, const CellTarget& target, float* scratch) {
  const Floats d;
  const FloatVec minus = hn::Set(d, kMinusInfinity);
  const std::int64_t width = block.width();
  const Waiting waiting{scratch, scratch + kKeysPerStep * width, scratch + 2 * kKeysPerStep * width};
  for (std::int64_t first = 0; first < row_cells.job().columns.n; first += kKeysPerStep) {
    const std::int64_t n = std::min(kKeysPerStep, row_cells.job().columns.n - first);
    for (std::int64_t c = 0; c < n; ++c) {
      for (std::int64_t lane = 0; lane < width; lane += kLanes) {
        const FloatVec kept = hn::Load(d, row_cells.kept(first + c) + lane);
        float* const value = waiting.values + c * width + lane;
        if (row_cells.job().pooling == CellPooling::kMax) {
          hn::Store(prob_of_largest(kept, hn::Load(d, block.state(0) + lane)), d, value);
          continue;
        }
        const FloatVec origin = hn::Load(d, row_cells.origin(first + c) + lane);
        const FloatVec log2_sum = hn::Load(d, block.state(6) + lane);
        const FloatVec last_origin = hn::Load(d, block.state(5) + lane);
        // Terms of 2^(score - origin), to be shares of 2^(last_origin + log2_sum).
        const FloatVec exponent = hn::Sub(hn::Sub(origin, last_origin), log2_sum);
        const FloatVec share = hn::Mul(kept, exp2_non_positive(d, exponent));
        hn::Store(hn::IfThenZeroElse(hn::Eq(origin, minus), share), d, value);
        hn::Store(hn::Load(d, row_cells.n_pairs(first + c) + lane), d, waiting.n_pairs + c * width + lane);
      }
    }
    merge(block, target, waiting, {first, first + n});
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(PoolChunk);
HWY_EXPORT(SumChunk);
HWY_EXPORT(FinishCells);

namespace score_detail {

CellSums::CellSums(CellPooling pooling, std::int64_t n_rows, std::int64_t n) : n_columns(n) {
  const auto size = static_cast<std::size_t>(n_rows * n);
  if (pooling == CellPooling::kMax) {
    largest.assign(size, -std::numeric_limits<float>::infinity());
  } else {
    sums.assign(size, 0);
    n_pairs.assign(size, 0);
  }
}

void pool_chunk(const ChunkCall& call, const PoolJob& job, const CellTarget& target) {
  HWY_DYNAMIC_DISPATCH(PoolChunk)(call, job, target);
}

RowCells::RowCells(const PoolJob& job, const LaneBlock& block)
    : job_(job), width_(block.width()), kept_(static_cast<std::size_t>(size(job) * block.width())) {
  const float minus = -std::numeric_limits<float>::infinity();
  std::fill_n(job_.pooling == CellPooling::kMax ? kept(0) : origin(0), job_.columns.n * width_, minus);
}

void RowCells::add_chunk(const ChunkCall& call) { HWY_DYNAMIC_DISPATCH(SumChunk)(call, *this); }

void RowCells::finish(LaneBlock& block, const CellTarget& target, float* scratch) const {
  HWY_DYNAMIC_DISPATCH(FinishCells)(*this, block, target, scratch);
}

}  // namespace score_detail
}  // namespace headroom
#endif
