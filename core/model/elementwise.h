#pragma once

#include <cstdint>
#include <span>

namespace headroom {

/// gate[i] = gate[i] * sigmoid(gate[i]) * up[i], with the widest SIMD that runs here. Shapes  equal sizes.
/// Source  Shazeer 2020, arXiv:2002.05202.
void swiglu(std::span<float> gate, std::span<const float> up);

/// Sum over i of exp(values[i] - shift), float32 terms added in double at the end. Shift by the maximum, so that no term overflows.
double sum_exp(std::span<const float> values, float shift);

}  // namespace headroom
