// Softmax cross-entropy over rows of logits, with its gradient. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_TRAINING_LOSS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TRAINING_LOSS_INL_H_
#undef HEADROOM_CORE_TRAINING_LOSS_INL_H_
#else
#define HEADROOM_CORE_TRAINING_LOSS_INL_H_
#endif

#include <algorithm>
#include <cmath>

#include "core/tensor/exp-inl.h"
#include "core/training/kernels.h"
#include "core/training/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::training_kernels {
namespace HWY_NAMESPACE {

HWY_INLINE float largest_logit(const float* logits, std::int64_t vocab) {
  const Floats d;
  FloatVec largest = hn::Set(d, logits[0]);
  std::int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes)
    largest = hn::Max(largest, hn::LoadU(d, logits + i));
  float top = hn::GetLane(hn::MaxOfLanes(d, largest));
  for (; i < vocab; ++i)
    top = std::max(top, logits[i]);
  return top;
}

/// exp((logit - top) / temperature), zero in lanes that do not exist.
HWY_INLINE FloatVec exp_from_top(const float* at, std::int64_t n, FloatVec top, float per_unit) {
  const Floats d;
  const FloatVec e = headroom::HWY_NAMESPACE::exp2_non_positive(d, hn::Mul(hn::Sub(load(at, n), top), hn::Set(d, per_unit)));
  return n == kLanes ? e : hn::IfThenElseZero(hn::FirstN(d, static_cast<std::size_t>(n)), e);
}

/// Sum of the exponentials, which are written to `out` unless that is null.
HWY_INLINE float sum_exponentials(const float* logits, std::int64_t vocab, float top, float per_unit, float* out) {
  const Floats d;
  const FloatVec top_vec = hn::Set(d, top);
  FloatVec sum = hn::Zero(d);
  each_vector(vocab, [&](std::int64_t c, std::int64_t n) {
    const FloatVec e = exp_from_top(logits + c, n, top_vec, per_unit);
    sum = hn::Add(sum, e);
    if (out != nullptr) store(e, out + c, n);
  });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

HWY_INLINE void distil_row(const LossRows& rows, std::int64_t i, float* logits) {
  const Floats d;
  const float top = largest_logit(logits, rows.vocab), per_unit = kLog2E / rows.temperature;
  const float sum = sum_exponentials(logits, rows.vocab, top, kLog2E, nullptr);
  const float soft_sum = sum_exponentials(logits, rows.vocab, top, per_unit, nullptr);
  const float* const teacher = rows.teacher + i * rows.vocab;
  const std::int32_t target = rows.targets[i];
  const double log_soft_sum = std::log(static_cast<double>(soft_sum));
  double divergence = 0;
  for (std::int64_t c = 0; c < rows.vocab; ++c) {
    if (teacher[c] <= 0) continue;
    const double log_p =
        (static_cast<double>(logits[c]) - static_cast<double>(top)) / static_cast<double>(rows.temperature) - log_soft_sum;
    divergence += static_cast<double>(teacher[c]) * (std::log(static_cast<double>(teacher[c])) - log_p);
  }
  const double hard = std::log(static_cast<double>(sum)) + static_cast<double>(top) - static_cast<double>(logits[target]);
  const double weight = static_cast<double>(rows.weight), t = static_cast<double>(rows.temperature);
  rows.losses[i] = static_cast<float>((1 - weight) * hard + weight * t * t * divergence);
  if (rows.keeps == LossRows::Keeps::kLogits) return;
  const FloatVec hard_factor = hn::Set(d, (1 - rows.weight) * rows.scale / sum);
  const FloatVec soft_factor = hn::Set(d, rows.weight * rows.temperature * rows.scale / soft_sum);
  const FloatVec teacher_factor = hn::Set(d, rows.weight * rows.temperature * rows.scale);
  const FloatVec top_vec = hn::Set(d, top);
  each_vector(rows.vocab, [&](std::int64_t c, std::int64_t n) {
    FloatVec gradient = hn::Mul(exp_from_top(logits + c, n, top_vec, kLog2E), hard_factor);
    gradient = hn::MulAdd(exp_from_top(logits + c, n, top_vec, per_unit), soft_factor, gradient);
    store(hn::NegMulAdd(load(teacher + c, n), teacher_factor, gradient), logits + c, n);
  });
  logits[target] -= (1 - rows.weight) * rows.scale;
}

HWY_INLINE void loss_rows_now(const LossRows& rows) {
  const Floats d;
  const bool keeps_logits = rows.keeps == LossRows::Keeps::kLogits;
  for (std::int64_t i = 0; i < rows.n; ++i) {
    float* const logits = rows.logits + i * rows.row;
    const std::int32_t target = rows.targets[i];
    if (target < 0) {
      rows.losses[i] = 0;
      if (!keeps_logits) std::fill_n(logits, rows.vocab, 0.0F);
      continue;
    }
    if (rows.teacher != nullptr) {
      distil_row(rows, i, logits);
      continue;
    }
    const float top = largest_logit(logits, rows.vocab), of_target = logits[target];
    const float sum = sum_exponentials(logits, rows.vocab, top, kLog2E, keeps_logits ? nullptr : logits);
    rows.losses[i] =
        static_cast<float>(std::log(static_cast<double>(sum)) + static_cast<double>(top) - static_cast<double>(of_target));
    if (keeps_logits) continue;
    const FloatVec factor = hn::Set(d, rows.scale / sum);
    each_vector(rows.vocab, [&](std::int64_t c, std::int64_t n) { store(hn::Mul(load(logits + c, n), factor), logits + c, n); });
    logits[target] -= rows.scale;
  }
}

HWY_INLINE void softmax_rows_now(float* logits, std::int64_t n, std::int64_t vocab, float temperature) {
  const Floats d;
  for (std::int64_t i = 0; i < n; ++i, logits += vocab) {
    const float sum = sum_exponentials(logits, vocab, largest_logit(logits, vocab), kLog2E / temperature, logits);
    const FloatVec factor = hn::Set(d, 1.0F / sum);
    each_vector(vocab,
                [&](std::int64_t c, std::int64_t count) { store(hn::Mul(load(logits + c, count), factor), logits + c, count); });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom::training_kernels
HWY_AFTER_NAMESPACE();

#endif
