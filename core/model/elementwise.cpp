#include "core/model/elementwise.h"

#include <cmath>

#include "core/model/exp.h"
#include "core/tensor/simd_targets.h"

// The loops below are plain: Highway compiles them once for each instruction set, the compiler turns them into its SIMD.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/model/elementwise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

void Swiglu(float* gate, const float* up, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    gate[i] = gate[i] / (1 + exp_fast(-gate[i])) * up[i];
}

void Gelu(float* values, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = values[i], z = std::abs(x) * 0.70710678f;
    const float t = 1 / (1 + 0.3275911f * z);
    const float tail = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t *
                       exp_fast(-z * z) * 0.5f;  // 1 - Phi(|x|)
    values[i] = x * (x < 0 ? tail : 1 - tail);
  }
}

void GeluTanh(float* values, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = values[i];
    // (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u))
    values[i] = x / (1 + exp_fast(-1.5957691f * (x + 0.044715f * x * x * x)));
  }
}

void Relu(float* values, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    values[i] = values[i] < 0 ? 0 : values[i];
}

void Silu(float* values, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    values[i] = values[i] / (1 + exp_fast(-values[i]));
}

void Multiply(float* values, const float* by, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    values[i] *= by[i];
}

void SoftCap(float* values, std::int64_t n, float cap) {
  const float per = 2 / cap;
  // tanh(u) = 2 / (1 + exp(-2 u)) - 1
  for (std::int64_t i = 0; i < n; ++i)
    values[i] = cap * (2 / (1 + exp_fast(-per * values[i])) - 1);
}

double SumExp(const float* values, std::int64_t n, float shift) {
  // Sixteen sums side by side are one AVX-512 register or a few smaller ones, and keep each sum's rounding small.
  constexpr std::int64_t kLanes = 16;
  float partial[kLanes] = {};
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane)
      partial[lane] += exp_fast(values[j + lane] - shift);
  }
  double sum = 0;
  for (const float term : partial)
    sum += static_cast<double>(term);
  for (; j < n; ++j)
    sum += static_cast<double>(exp_fast(values[j] - shift));
  return sum;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(Swiglu);
HWY_EXPORT(Gelu);
HWY_EXPORT(GeluTanh);
HWY_EXPORT(Relu);
HWY_EXPORT(Silu);
HWY_EXPORT(Multiply);
HWY_EXPORT(SoftCap);
HWY_EXPORT(SumExp);

void swiglu(std::span<float> gate, std::span<const float> up) {
  HWY_DYNAMIC_DISPATCH(Swiglu)(gate.data(), up.data(), static_cast<std::int64_t>(gate.size()));
}

void gelu(std::span<float> values) { HWY_DYNAMIC_DISPATCH(Gelu)(values.data(), static_cast<std::int64_t>(values.size())); }

void gelu_tanh(std::span<float> values) { HWY_DYNAMIC_DISPATCH(GeluTanh)(values.data(), static_cast<std::int64_t>(values.size())); }

void relu(std::span<float> values) { HWY_DYNAMIC_DISPATCH(Relu)(values.data(), static_cast<std::int64_t>(values.size())); }

void silu(std::span<float> values) { HWY_DYNAMIC_DISPATCH(Silu)(values.data(), static_cast<std::int64_t>(values.size())); }

void multiply(std::span<float> values, std::span<const float> by) {
  HWY_DYNAMIC_DISPATCH(Multiply)(values.data(), by.data(), static_cast<std::int64_t>(values.size()));
}

void soft_cap(std::span<float> values, float cap) {
  HWY_DYNAMIC_DISPATCH(SoftCap)(values.data(), static_cast<std::int64_t>(values.size()), cap);
}

double sum_exp(std::span<const float> values, float shift) {
  return HWY_DYNAMIC_DISPATCH(SumExp)(values.data(), static_cast<std::int64_t>(values.size()), shift);
}

}  // namespace headroom
#endif
