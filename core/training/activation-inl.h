// Activations of an MLP and their slopes. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_TRAINING_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TRAINING_ACTIVATION_INL_H_
#undef HEADROOM_CORE_TRAINING_ACTIVATION_INL_H_
#else
#define HEADROOM_CORE_TRAINING_ACTIVATION_INL_H_
#endif

#include <cmath>

#include "core/tensor/exp-inl.h"
#include "core/training/kernels.h"
#include "core/training/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::training_kernels {
namespace HWY_NAMESPACE {

/// 1 / (1 + exp(-x)), relative error a few 1e-7: exp of the negative size never overflows.
HWY_INLINE FloatVec sigmoid(FloatVec x) {
  const Floats d;
  const FloatVec small = headroom::HWY_NAMESPACE::exp2_non_positive(d, hn::Mul(hn::Neg(hn::Abs(x)), hn::Set(d, kLog2E)));
  const FloatVec one = hn::Set(d, 1.0F);
  const FloatVec sum = hn::Add(one, small);
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  // 14 bits from the table, 28 after one step of Newton's: a third of the time of a division.
  FloatVec inverse{_mm512_rcp14_ps(sum.raw)};
  inverse = hn::Mul(inverse, hn::NegMulAdd(sum, inverse, hn::Set(d, 2.0F)));
#else
  const FloatVec inverse = hn::Div(one, sum);
#endif
  const FloatVec of_positive = inverse, of_negative = hn::Mul(small, inverse);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), of_negative, of_positive);
}

struct ValueAndSlope {
  FloatVec value, slope;
};

/// x sigmoid(2 a (x + b x³)): the tanh form of GELU, because tanh(u) = 2 sigmoid(2 u) - 1.
HWY_INLINE ValueAndSlope gelu_tanh(FloatVec x) {
  const Floats d;
  constexpr float kA = 1.5957691216057308F, kB = 0.044715F;  // 2 sqrt(2 / pi)
  const FloatVec square = hn::Mul(x, x);
  const FloatVec inner = hn::Mul(hn::Mul(x, hn::Set(d, kA)), hn::MulAdd(square, hn::Set(d, kB), hn::Set(d, 1.0F)));
  const FloatVec gate = sigmoid(inner);
  const FloatVec value = hn::Mul(x, gate);
  const FloatVec inner_slope = hn::Mul(hn::Set(d, kA), hn::MulAdd(square, hn::Set(d, 3 * kB), hn::Set(d, 1.0F)));
  // gate' = gate (1 - gate) inner'
  const FloatVec turned = hn::Mul(hn::NegMulAdd(gate, gate, gate), inner_slope);
  return {value, hn::MulAdd(x, turned, gate)};
}

HWY_INLINE ValueAndSlope silu(FloatVec x) {
  const FloatVec gate = sigmoid(x);
  const FloatVec value = hn::Mul(x, gate);
  return {value, hn::MulAdd(value, hn::Sub(hn::Set(Floats(), 1.0F), gate), gate)};
}

/// The exact form, for models that were trained elsewhere; the error function has no vector form here.
inline void gelu_exact(std::int64_t n, float* value, float* hidden) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(value[i]);
    const double below = 0.5 * (1 + std::erf(x * 0.7071067811865476));
    hidden[i] = static_cast<float>(x * below);
    value[i] = static_cast<float>(below + x * 0.3989422804014327 * std::exp(-0.5 * x * x));
  }
}

HWY_INLINE void activation_forward_now(MlpKind kind, std::int64_t n, std::int64_t ff, float* value, float* hidden) {
  if (kind == MlpKind::kGelu) {
    gelu_exact(n * ff, value, hidden);
  } else if (kind == MlpKind::kGeluTanh) {
    each_vector(n * ff, [&](std::int64_t c, std::int64_t count) {
      const ValueAndSlope out = gelu_tanh(load(value + c, count));
      store(out.value, hidden + c, count);
      store(out.slope, value + c, count);
    });
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      float *gate = value + i * 2 * ff, *up = gate + ff, *out = hidden + i * ff;
      each_vector(ff, [&](std::int64_t c, std::int64_t count) {
        const ValueAndSlope silu_of_gate = silu(load(gate + c, count));
        const FloatVec up_c = load(up + c, count);
        store(hn::Mul(silu_of_gate.value, up_c), out + c, count);
        // What the gradient of hidden is multiplied by: for gate, and for up.
        store(hn::Mul(up_c, silu_of_gate.slope), gate + c, count);
        store(silu_of_gate.value, up + c, count);
      });
    }
  }
}

HWY_INLINE void activation_backward_now(MlpKind kind, std::int64_t n, std::int64_t ff, const float* d_hidden, float* slopes) {
  const std::int64_t copies = kind == MlpKind::kSwiGlu ? 2 : 1;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* const from = d_hidden + i * ff;
    for (std::int64_t copy = 0; copy < copies; ++copy) {
      float* const to = slopes + (i * copies + copy) * ff;
      each_vector(ff, [&](std::int64_t c, std::int64_t count) {
        store(hn::Mul(load(from + c, count), load(to + c, count)), to + c, count);
      });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom::training_kernels
HWY_AFTER_NAMESPACE();

#endif
