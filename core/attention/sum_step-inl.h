// One step of a log-sum-exp, shared by the kernels that sum and pool. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_SUM_STEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_SUM_STEP_INL_H_
#undef HEADROOM_CORE_ATTENTION_SUM_STEP_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_SUM_STEP_INL_H_
#endif

#include "core/attention/score_step-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {

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

/// Takes one step's scores into the block's sums (see sum_kernel.h for its state). kKeepTerms: scores become exp(score - largest), of the
/// largest as it is after this step.
template <int kVectors, bool kHasHidden, bool kKeepTerms>
HWY_INLINE void add_step(score_detail::LaneBlock& block, KeyRange keys, float* scores) {
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
      float* const score = scores + j * kWidth + lane;
      const FloatVec term = exp2_non_positive(d, hn::MulSub(hn::Load(d, score), log2e, origin));
      if constexpr (kKeepTerms) hn::Store(term, d, score);
      sum = hn::Add(sum, term);
    }
    keep(0, largest);
    keep(1, hn::MulAdd(kept(1), factor, sum));
    keep(2, hn::Min(kept(2), hn::Min(first.smallest, later.smallest)));
    keep(3, hn::Min(kept(3), later.smallest));
    keep(4, hn::Max(kept(4), later.largest));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
