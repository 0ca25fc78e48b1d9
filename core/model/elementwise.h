#pragma once

#include <cstdint>
#include <span>

namespace headroom {

/// gate[i] = gate[i] * sigmoid(gate[i]) * up[i], with the widest SIMD that runs here. Shapes  equal sizes.
/// Source  Shazeer 2020, arXiv:2002.05202.
void swiglu(std::span<float> gate, std::span<const float> up);

/// values[i] = values[i] Phi(values[i]), Phi the normal distribution's integral: error below 1e-6 of max(1, |value|).
/// Source  Hendrycks & Gimpel 2016, arXiv:1606.08415; erf by Abramowitz & Stegun 7.1.26.
void gelu(std::span<float> values);
/// The same with Phi(x) = (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
void gelu_tanh(std::span<float> values);

/// values[i] = max(values[i], 0); NaN stays.
void relu(std::span<float> values);
/// values[i] = values[i] * sigmoid(values[i]).
void silu(std::span<float> values);
/// values[i] *= by[i]. Shapes  equal sizes.
void multiply(std::span<float> values, std::span<const float> by);
/// values[i] = cap * tanh(values[i] / cap): error below 2e-7 of cap. Source  Gemma Team 2024, arXiv:2408.00118.
void soft_cap(std::span<float> values, float cap);

/// Sum over i of exp(values[i] - shift), float32 terms added in double at the end. Shift by the maximum, so that no term overflows.
double sum_exp(std::span<const float> values, float shift);

}  // namespace headroom
