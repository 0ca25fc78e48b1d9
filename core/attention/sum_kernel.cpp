#include "core/attention/sum_kernel.h"

#include <algorithm>
#include <cmath>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/sum_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/attention/score_step-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using score_detail::KeyChunk;
using score_detail::LaneBlock;
using score_detail::ScoreSource;

std::int64_t Lanes() { return kLanes; }
std::size_t ScratchSize() { return static_cast<std::size_t>((3 * score_detail::kKeysPerStep + kTileRows) * kMaxVectors * kLanes); }

void PackQueries(const ScoreSource& source, std::span<const std::int64_t> rows, std::int64_t width, float* packed) {
  const auto q = [&](std::int64_t lane) { return source.q + rows[static_cast<std::size_t>(lane)] * source.q_stride; };
  const std::int64_t n_rows = std::ssize(rows);
  std::int64_t lane = 0;
  for (; lane + 4 <= n_rows; lane += 4) {
    const float* const four[4] = {q(lane), q(lane + 1), q(lane + 2), q(lane + 3)};
    transpose_four(four, source.d_head, packed + lane, width);
  }
  for (; lane < width; ++lane) {
    for (std::int64_t c = 0; c < source.d_head; ++c) {
      packed[c * width + lane] = lane < n_rows ? q(lane)[c] : 0.0F;
    }
  }
  const Floats d;
  const FloatVec scale = hn::Set(d, source.scale);
  for (std::int64_t at = 0; at < source.d_head * width; at += kLanes) {
    hn::Store(hn::Mul(hn::Load(d, packed + at), scale), d, packed + at);
  }
}

/// What one step adds to one vector of rows.
struct Extremes {
  FloatVec smallest, largest;
};

/// Over `n` keys' scores, one row of `width` apart. Hidden ones count as nothing.
template <bool kHasHidden>
HWY_INLINE Extremes find_extremes(const float* scores, std::int64_t n, std::int64_t width) {
  const Floats d;
  const FloatVec minus = hn::Set(d, kMinusInfinity), plus = hn::Neg(minus);
  FloatVec low0 = plus, low1 = plus, high0 = minus, high1 = minus;  // two chains: each waits for itself only
  const auto take = [&](const float* at, FloatVec& low, FloatVec& high) HWY_ATTR {
    const FloatVec s = hn::Load(d, at);
    high = hn::Max(high, s);
    if constexpr (kHasHidden) {
      low = hn::Min(low, hn::IfThenElse(hn::Eq(s, minus), plus, s));
    } else {
      low = hn::Min(low, s);
    }
  };
  std::int64_t j = 0;
  for (; j + 2 <= n; j += 2) {
    take(scores + j * width, low0, high0);
    take(scores + (j + 1) * width, low1, high1);
  }
  if (j < n) take(scores + j * width, low0, high0);
  return {hn::Min(low0, low1), hn::Max(high0, high1)};
}

template <int kVectors, bool kHasHidden>
HWY_INLINE void add_step(LaneBlock& block, KeyRange keys, const float* scores) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  const Floats d;
  const FloatVec log2e = hn::Set(d, kLog2E), minus = hn::Set(d, kMinusInfinity);
  const std::int64_t n = keys.end - keys.begin, n_first = keys.begin == 0 ? 1 : 0;
  for (std::int64_t lane = 0; lane < kWidth; lane += kLanes) {
    const Extremes later = find_extremes<kHasHidden>(scores + n_first * kWidth + lane, n - n_first, kWidth);
    const Extremes first = find_extremes<kHasHidden>(scores + lane, n_first, kWidth);
    const auto keep = [&](std::int64_t index, FloatVec value) HWY_ATTR { hn::Store(value, d, block.state(index) + lane); };
    const auto kept = [&](std::int64_t index) HWY_ATTR { return hn::Load(d, block.state(index) + lane); };
    const FloatVec old_largest = kept(0);
    const FloatVec largest = hn::Max(old_largest, hn::Max(first.largest, later.largest));
    // Origins are kept, not made again: a compiler that fuses the product with the difference would not find 0 where nothing changed. A
    // row that has seen no key yet has the largest -inf; -inf - -inf would be NaN.
    const auto is_blind = hn::Eq(largest, minus);
    const FloatVec exponent = hn::Mul(largest, log2e);
    const FloatVec origin = hn::IfThenZeroElse(is_blind, exponent);
    const FloatVec factor = exp2_non_positive(d, hn::Sub(kept(5), origin));
    keep(5, hn::IfThenElse(is_blind, minus, exponent));
    FloatVec sum = hn::Zero(d);  // of this step alone: short sums lose little
    for (std::int64_t j = 0; j < n; ++j) {
      sum = hn::Add(sum, exp2_non_positive(d, hn::MulSub(hn::Load(d, scores + j * kWidth + lane), log2e, origin)));
    }
    keep(0, largest);
    keep(1, hn::MulAdd(kept(1), factor, sum));
    keep(2, hn::Min(kept(2), hn::Min(first.smallest, later.smallest)));
    keep(3, hn::Min(kept(3), later.smallest));
    keep(4, hn::Max(kept(4), later.largest));
  }
}

void AddChunk(const ScoreSource& source, LaneBlock& block, const KeyChunk& chunk, float* scratch) {
  with_width(block.width(), [&](auto vectors) HWY_ATTR {
    ScoreSteps<vectors()> steps(source, block, scratch);
    steps.for_each(chunk, [&](KeyRange keys, TileVisibility visibility) HWY_ATTR {
      if (visibility == TileVisibility::kAll) {
        add_step<vectors(), false>(block, keys, scratch);
      } else {
        add_step<vectors(), true>(block, keys, scratch);
      }
    });
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(Lanes);
HWY_EXPORT(ScratchSize);
HWY_EXPORT(PackQueries);
HWY_EXPORT(AddChunk);

namespace score_detail {

std::int64_t lanes() { return HWY_DYNAMIC_DISPATCH(Lanes)(); }
std::size_t scratch_size() { return HWY_DYNAMIC_DISPATCH(ScratchSize)(); }

void pack_queries(const ScoreSource& source, std::span<const std::int64_t> rows, std::int64_t width, float* packed) {
  HWY_DYNAMIC_DISPATCH(PackQueries)(source, rows, width, packed);
}

void begin_sums(LaneBlock& block) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float start[] = {-infinity, 0, infinity, infinity, -infinity, -infinity};
  for (std::int64_t i = 0; i < 6; ++i)
    std::fill_n(block.state(i), block.width(), start[i]);
}

void add_chunk(const ScoreSource& source, LaneBlock& block, const KeyChunk& chunk, float* scratch) {
  HWY_DYNAMIC_DISPATCH(AddChunk)(source, block, chunk, scratch);
}

RowSummary end_sums(LaneBlock& block, std::int64_t lane) {
  const float sum = block.state(1)[lane];
  const double logsumexp = (static_cast<double>(block.state(5)[lane]) + std::log2(static_cast<double>(sum))) * 0.6931471805599453;
  return {.logsumexp = sum == 0 ? -std::numeric_limits<float>::infinity() : static_cast<float>(logsumexp),
          .smallest = block.state(2)[lane],
          .largest = block.state(0)[lane],
          .smallest_later = block.state(3)[lane],
          .largest_later = block.state(4)[lane]};
}

}  // namespace score_detail
}  // namespace headroom
#endif
