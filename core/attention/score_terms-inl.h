// What becomes of a score between the product and the mask. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_SCORE_TERMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_SCORE_TERMS_INL_H_
#undef HEADROOM_CORE_ATTENTION_SCORE_TERMS_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_SCORE_TERMS_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "core/attention/config.h"
#include "core/tensor/exp-inl.h"
#include "core/tensor/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {

using Ints = hn::RebindToSigned<Floats>;
using IntVec = hn::Vec<Ints>;

/// tanh. Accuracy  relative error at most 4e-7. NaN stays NaN.
/// Method    near 0: x + x^3 p(x^2), p minimax of degree 4 on [0, 0.36] (error 3e-9, fitted by Lawson's weighted least squares); beyond:
///           (1 - t) / (1 + t) with t = exp(-2 |x|).
HWY_INLINE FloatVec tanh_of(FloatVec x) {
  const Floats d;
  const FloatVec size = hn::Abs(x), square = hn::Mul(x, x);
  FloatVec p = hn::Set(d, -0.005895158275961876F);
  p = hn::MulAdd(p, square, hn::Set(d, 0.020795971155166626F));
  p = hn::MulAdd(p, square, hn::Set(d, -0.053783830255270004F));
  p = hn::MulAdd(p, square, hn::Set(d, 0.13331924378871918F));
  p = hn::MulAdd(p, square, hn::Set(d, -0.33333298563957214F));
  const FloatVec near = hn::MulAdd(hn::Mul(p, square), x, x);
  const FloatVec t = exp2_non_positive(d, hn::Mul(size, hn::Set(d, -2.885390081777927F))), one = hn::Set(d, 1.0F);
  const FloatVec far = hn::CopySign(hn::Div(hn::Sub(one, t), hn::Add(one, t)), x);
  return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.6F)), near, far);
}

/// A soft cap and a bias by distance, for scores of `unit` per nat.
struct ScoreTerms {
  float unit = 1;
  float cap = 0;                ///< in the scores' unit; 0: none
  const float* bias = nullptr;  ///< [rows, 2 * reach + 1] nats; null: none
  std::int32_t reach = 0;

  ScoreTerms() = default;
  ScoreTerms(const AttentionConfig& config, float unit_of_scores) : unit(unit_of_scores), cap(config.soft_cap * unit_of_scores) {
    if (config.position_bias == nullptr) return;
    bias = config.position_bias->values.data();
    reach = static_cast<std::int32_t>(config.position_bias->reach);
  }

  bool is_any() const { return cap > 0 || bias != nullptr; }
};

/// Which lane is which row.
struct TermLanes {
  const std::int32_t* position = nullptr;  ///< [kLanes] of the row's query on the key axis
  const std::int32_t* bias_row = nullptr;  ///< [kLanes] where the row's biases begin in ScoreTerms::bias; null: at 0
};

/// `n` keys' scores of one vector of rows, `stride` apart, in place. key_at(j): the number of the j-th key, ascending. Returns the largest.
template <typename KeyAt>
HWY_INLINE FloatVec add_terms(const ScoreTerms& terms, const TermLanes& lanes, std::int64_t n, std::int64_t stride, float* scores,
                              const KeyAt& key_at) {
  const Floats d;
  const Ints di;
  FloatVec largest = hn::Set(d, -std::numeric_limits<float>::infinity());
  const FloatVec cap = hn::Set(d, terms.cap), inverse = hn::Set(d, terms.cap > 0 ? 1 / terms.cap : 0),
                 unit = hn::Set(d, terms.unit);
  const auto capped = [&](FloatVec score)
                          HWY_ATTR { return terms.cap > 0 ? hn::Mul(cap, tanh_of(hn::Mul(score, inverse))) : score; };
  if (terms.bias == nullptr) {
    for (std::int64_t j = 0; j < n; ++j) {
      const FloatVec score = capped(hn::Load(d, scores + j * stride));
      hn::Store(score, d, scores + j * stride);
      largest = hn::Max(largest, score);
    }
    return largest;
  }
  const auto [first, last] = std::minmax_element(lanes.position, lanes.position + kLanes);
  // Keys as far from every row as biases tell apart: one bias a row for all of them.
  const std::int64_t all_before = std::int64_t{*first} - terms.reach, all_after = std::int64_t{*last} + terms.reach;
  const IntVec reach = hn::Set(di, terms.reach), position = hn::Load(di, lanes.position);
  const IntVec row = lanes.bias_row != nullptr ? hn::Load(di, lanes.bias_row) : hn::Zero(di);
  const IntVec middle = hn::Add(row, reach);
  const FloatVec before = hn::Mul(unit, hn::GatherIndex(d, terms.bias, row));
  const FloatVec after = hn::Mul(unit, hn::GatherIndex(d, terms.bias, hn::Add(middle, reach)));
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t key = key_at(j);
    FloatVec bias = before;
    if (key >= all_after) {
      bias = after;
    } else if (key > all_before) {
      const IntVec distance = hn::Sub(hn::Set(di, static_cast<std::int32_t>(key)), position);
      const IntVec place = hn::Add(middle, hn::Max(hn::Neg(reach), hn::Min(distance, reach)));
      bias = hn::Mul(unit, hn::GatherIndex(d, terms.bias, place));
    }
    const FloatVec score = hn::Add(capped(hn::Load(d, scores + j * stride)), bias);
    hn::Store(score, d, scores + j * stride);
    largest = hn::Max(largest, score);
  }
  return largest;
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
