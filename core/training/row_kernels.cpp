#include <algorithm>
#include <cmath>

#include "core/tensor/simd_targets.h"
#include "core/training/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/training/row_kernels.cpp"
#include <hwy/foreach_target.h>

#include "core/training/activation-inl.h"
#include "core/training/loss-inl.h"
#include "core/training/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::training_kernels {
namespace HWY_NAMESPACE {
namespace {

void NormForward(const NormRows& norm, const float* x, float* y, float* statistics) {
  const Floats d;
  const float per_number = 1.0F / static_cast<float>(norm.d);
  for (std::int64_t i = 0; i < norm.n; ++i, x += norm.d, y += norm.d, statistics += 2) {
    float mean = 0;
    if (norm.kind == NormKind::kLayer) {
      FloatVec sum = hn::Zero(d);
      each_vector(norm.d, [&](std::int64_t c, std::int64_t n) { sum = hn::Add(sum, load(x + c, n)); });
      mean = hn::GetLane(hn::SumOfLanes(d, sum)) * per_number;
    }
    const FloatVec mean_vec = hn::Set(d, mean);
    FloatVec squares = hn::Zero(d);
    each_vector(norm.d, [&](std::int64_t c, std::int64_t n) {
      FloatVec from_mean = hn::Sub(load(x + c, n), mean_vec);
      if (n < kLanes) from_mean = hn::IfThenElseZero(hn::FirstN(d, static_cast<std::size_t>(n)), from_mean);
      squares = hn::MulAdd(from_mean, from_mean, squares);
    });
    const float inverse = 1.0F / std::sqrt(hn::GetLane(hn::SumOfLanes(d, squares)) * per_number + norm.epsilon);
    statistics[0] = mean;
    statistics[1] = inverse;
    const FloatVec inverse_vec = hn::Set(d, inverse);
    each_vector(norm.d, [&](std::int64_t c, std::int64_t n) {
      const FloatVec unit = hn::Mul(hn::Sub(load(x + c, n), mean_vec), inverse_vec);
      const FloatVec shift = norm.bias == nullptr ? hn::Zero(d) : load(norm.bias + c, n);
      store(hn::MulAdd(unit, load(norm.gain + c, n), shift), y + c, n);
    });
  }
}

void NormBackward(const NormRows& norm, const NormGradient& g) {
  const Floats d;
  const float per_number = 1.0F / static_cast<float>(norm.d);
  for (std::int64_t i = 0; i < norm.n; ++i) {
    const float *x = g.x + i * norm.d, *dy = g.dy + i * norm.d;
    float* dx = g.dx + i * norm.d;
    const FloatVec mean = hn::Set(d, g.statistics[2 * i]), inverse = hn::Set(d, g.statistics[2 * i + 1]);
    FloatVec sum = hn::Zero(d), along = hn::Zero(d);
    each_vector(norm.d, [&](std::int64_t c, std::int64_t n) {
      const FloatVec unit = hn::Mul(hn::Sub(load(x + c, n), mean), inverse);
      const FloatVec dy_c = load(dy + c, n);  // zero in the lanes that do not exist
      const FloatVec weighted = hn::Mul(dy_c, load(norm.gain + c, n));
      sum = hn::Add(sum, weighted);
      along = hn::MulAdd(weighted, unit, along);
      store(hn::MulAdd(dy_c, unit, load(g.d_gain + c, n)), g.d_gain + c, n);
      if (g.d_bias != nullptr) store(hn::Add(dy_c, load(g.d_bias + c, n)), g.d_bias + c, n);
    });
    const FloatVec mean_sum = hn::Set(d, norm.kind == NormKind::kLayer ? hn::GetLane(hn::SumOfLanes(d, sum)) * per_number : 0.0F);
    const FloatVec mean_along = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, along)) * per_number);
    each_vector(norm.d, [&](std::int64_t c, std::int64_t n) {
      const FloatVec unit = hn::Mul(hn::Sub(load(x + c, n), mean), inverse);
      const FloatVec weighted = hn::Mul(load(dy + c, n), load(norm.gain + c, n));
      const FloatVec inner = hn::NegMulAdd(unit, mean_along, hn::Sub(weighted, mean_sum));
      const FloatVec start = g.into == NormGradient::Into::kAdd ? load(dx + c, n) : hn::Zero(d);
      store(hn::MulAdd(inner, inverse, start), dx + c, n);
    });
  }
}

void AddColumnSums(const float* x, std::int64_t row, std::int64_t n, float* sums, std::int64_t n_cols) {
  const Floats d;
  each_vector(n_cols, [&](std::int64_t c, std::int64_t count) {
    FloatVec even = load(sums + c, count), odd = hn::Zero(d);
    std::int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
      even = hn::Add(even, load(x + i * row + c, count));
      odd = hn::Add(odd, load(x + (i + 1) * row + c, count));
    }
    if (i < n) even = hn::Add(even, load(x + i * row + c, count));
    store(hn::Add(even, odd), sums + c, count);
  });
}

void AddTo(const float* from, float* to, std::int64_t n) {
  each_vector(
      n, [&](std::int64_t c, std::int64_t count) { store(hn::Add(load(from + c, count), load(to + c, count)), to + c, count); });
}

double SumOfSquares(const float* x, std::int64_t n) {
  const Floats d;
  // Short float sums added up in double: exact enough for any length, and as fast as memory.
  constexpr std::int64_t kStretch = 4096;
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += kStretch) {
    FloatVec even = hn::Zero(d), odd = hn::Zero(d);
    bool is_odd = false;
    each_vector(std::min(kStretch, n - begin), [&](std::int64_t c, std::int64_t count) {
      const FloatVec value = load(x + begin + c, count);
      FloatVec& sum = is_odd ? odd : even;
      sum = hn::MulAdd(value, value, sum);
      is_odd = !is_odd;
    });
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd))));
  }
  return total;
}

void Rotate(const Rotation& rotation, const float* cos, const float* sin) {
  const Floats d;
  const std::int64_t half = rotation.d_head / 2, width = rotation.n_heads * rotation.d_head;
  const std::int64_t period = rotary_period(rotation.d_head);
  const bool is_backward = rotation.way == Rotation::Way::kBackward;
  const bool has_pairs_apart = half % kLanes == 0;
  // Heads narrower than two vectors: partners swap inside a vector, whose pattern of angles repeats.
  const bool swaps_inside =
      !has_pairs_apart && (rotation.d_head & (rotation.d_head - 1)) == 0 && half < kLanes && period % kLanes == 0 && kLanes > 1;
  HWY_ALIGN std::int32_t partner[kLanes];
  for (std::int64_t lane = 0; lane < kLanes; ++lane)
    partner[lane] = static_cast<std::int32_t>(swaps_inside ? lane ^ half : lane);
  const auto swap = hn::SetTableIndices(d, partner);
  for (std::int64_t i = 0; i < rotation.n; ++i) {
    float* const x = rotation.x + i * rotation.row;
    const float *cos_row = cos + (i % rotation.seq) * period, *sin_row = sin + (i % rotation.seq) * period;
    std::int64_t c = 0;
    if (has_pairs_apart) {
      for (; c < width; c += rotation.d_head) {
        for (std::int64_t p = 0; p < half; p += kLanes) {
          const FloatVec low = hn::LoadU(d, x + c + p), high = hn::LoadU(d, x + c + half + p);
          const FloatVec turn_cos = hn::LoadU(d, cos_row + p);
          // The table's first half holds -sin.
          const FloatVec turn_sin = is_backward ? hn::LoadU(d, sin_row + p) : hn::Neg(hn::LoadU(d, sin_row + p));
          hn::StoreU(hn::NegMulAdd(high, turn_sin, hn::Mul(low, turn_cos)), d, x + c + p);
          hn::StoreU(hn::MulAdd(low, turn_sin, hn::Mul(high, turn_cos)), d, x + c + half + p);
        }
      }
    } else if (swaps_inside) {
      for (; c + kLanes <= width; c += kLanes) {
        const FloatVec value = hn::LoadU(d, x + c);
        const FloatVec turn_sin = hn::LoadU(d, sin_row + c % period);
        const FloatVec other = hn::TableLookupLanes(value, swap);
        const FloatVec turned = hn::Mul(value, hn::LoadU(d, cos_row + c % period));
        hn::StoreU(is_backward ? hn::NegMulAdd(other, turn_sin, turned) : hn::MulAdd(other, turn_sin, turned), d, x + c);
      }
    }
    for (; c < width; c += rotation.d_head) {
      for (std::int64_t p = 0; p < half; ++p) {
        const float low = x[c + p], high = x[c + half + p];
        const float turn_cos = cos_row[p], turn_sin = is_backward ? sin_row[p] : -sin_row[p];
        x[c + p] = low * turn_cos - high * turn_sin;
        x[c + half + p] = high * turn_cos + low * turn_sin;
      }
    }
  }
}

void Adam(const AdamStep& step) {
  const Floats d;
  const FloatVec beta1 = hn::Set(d, step.beta1), beta2 = hn::Set(d, step.beta2);
  const FloatVec rest1 = hn::Set(d, 1 - step.beta1), rest2 = hn::Set(d, 1 - step.beta2);
  each_vector(step.n, [&](std::int64_t c, std::int64_t n) {
    const FloatVec gradient = hn::Mul(load(step.gradients + c, n), hn::Set(d, step.gradient_scale));
    const FloatVec m = hn::MulAdd(beta1, load(step.m + c, n), hn::Mul(rest1, gradient));
    const FloatVec v = hn::MulAdd(beta2, load(step.v + c, n), hn::Mul(rest2, hn::Mul(gradient, gradient)));
    store(m, step.m + c, n);
    store(v, step.v + c, n);
    const FloatVec root = hn::MulAdd(hn::Sqrt(v), hn::Set(d, step.v_correction), hn::Set(d, step.epsilon));
    const FloatVec change = hn::Div(hn::Mul(hn::Set(d, step.step_size), m), root);
    const FloatVec kept = hn::NegMulAdd(load(step.decay + c, n), hn::Set(d, step.rate), hn::Set(d, 1.0F));
    store(hn::MulSub(kept, load(step.parameters + c, n), change), step.parameters + c, n);
  });
}

void ActivationForward(MlpKind kind, std::int64_t n, std::int64_t ff, float* value, float* hidden) {
  activation_forward_now(kind, n, ff, value, hidden);
}
void ActivationBackward(MlpKind kind, std::int64_t n, std::int64_t ff, const float* d_hidden, float* slopes) {
  activation_backward_now(kind, n, ff, d_hidden, slopes);
}
void Loss(const LossRows& rows) { loss_rows_now(rows); }
void Softmax(float* logits, std::int64_t n, std::int64_t vocab, float temperature) {
  softmax_rows_now(logits, n, vocab, temperature);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom::training_kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom::training_kernels {

HWY_EXPORT(NormForward);
HWY_EXPORT(NormBackward);
HWY_EXPORT(AddColumnSums);
HWY_EXPORT(AddTo);
HWY_EXPORT(SumOfSquares);
HWY_EXPORT(Rotate);
HWY_EXPORT(Adam);
HWY_EXPORT(ActivationForward);
HWY_EXPORT(ActivationBackward);
HWY_EXPORT(Loss);
HWY_EXPORT(Softmax);

void norm_forward(const NormRows& norm, const float* x, float* y, float* statistics) {
  HWY_DYNAMIC_DISPATCH(NormForward)(norm, x, y, statistics);
}
void norm_backward(const NormRows& norm, const NormGradient& gradient) { HWY_DYNAMIC_DISPATCH(NormBackward)(norm, gradient); }
void activation_forward(MlpKind kind, std::int64_t n, std::int64_t ff, float* value, float* hidden) {
  HWY_DYNAMIC_DISPATCH(ActivationForward)(kind, n, ff, value, hidden);
}
void activation_backward(MlpKind kind, std::int64_t n, std::int64_t ff, const float* d_hidden, float* slopes) {
  HWY_DYNAMIC_DISPATCH(ActivationBackward)(kind, n, ff, d_hidden, slopes);
}
void add_column_sums(const float* x, std::int64_t row, std::int64_t n, std::span<float> sums) {
  HWY_DYNAMIC_DISPATCH(AddColumnSums)(x, row, n, sums.data(), std::ssize(sums));
}
void add_to(std::span<const float> from, std::span<float> to) {
  HWY_DYNAMIC_DISPATCH(AddTo)(from.data(), to.data(), std::ssize(to));
}
double sum_of_squares(std::span<const float> x) { return HWY_DYNAMIC_DISPATCH(SumOfSquares)(x.data(), std::ssize(x)); }
void rotate(const Rotation& rotation, const float* cos, const float* sin) { HWY_DYNAMIC_DISPATCH(Rotate)(rotation, cos, sin); }
void adam_step(const AdamStep& step) { HWY_DYNAMIC_DISPATCH(Adam)(step); }
void loss_rows(const LossRows& rows) { HWY_DYNAMIC_DISPATCH(Loss)(rows); }
void softmax_rows(float* logits, std::int64_t n, std::int64_t vocab, float temperature) {
  HWY_DYNAMIC_DISPATCH(Softmax)(logits, n, vocab, temperature);
}

std::int64_t rotary_period(std::int64_t d_head) {
  constexpr std::int64_t kWidest = 16;
  const bool is_power_of_two = (d_head & (d_head - 1)) == 0;
  return is_power_of_two && d_head < kWidest ? kWidest : d_head;
}

}  // namespace headroom::training_kernels
#endif
