#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>

#include "core/tensor/view.h"

namespace headroom {

// Numbers of 16 bits, as bit patterns: what a cache stores to halve its size. Arithmetic happens in float32.

/// IEEE 754 binary16: 5 bits of exponent, 10 of mantissa; nearest even. Beyond 65504 (once rounded): infinity. NaN stays NaN.
std::uint16_t to_float16(float value);
/// bfloat16: the upper half of a float32, nearest even. NaN stays NaN.
std::uint16_t to_bfloat16(float value);

/// Exact: every float16 is a float32.
inline float from_float16(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U;
  const std::uint32_t exponent = (bits >> 10U) & 31U, mantissa = bits & 0x3FFU;
  if (exponent == 0) {  // zero and the numbers below 2^-14
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 255U : exponent + 112U;
  return std::bit_cast<float>(sign | (wide << 23U) | (mantissa << 13U));
}
/// Exact.
inline float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U); }

/// Whole arrays. Shapes  equal sizes. Errors  ShapeError.
void to_float16(std::span<const float> from, std::span<std::uint16_t> to);
void to_bfloat16(std::span<const float> from, std::span<std::uint16_t> to);
/// Exact. `type` is kFloat16 or kBFloat16. Errors  ShapeError also when it is neither.
void widen(FloatType type, std::span<const std::uint16_t> from, std::span<float> to);

}  // namespace headroom
