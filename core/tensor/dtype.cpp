#include "core/tensor/dtype.h"

#include <string>

#include "core/tensor/error.h"
#include "core/tensor/matmul_kernel.h"

namespace headroom {
namespace {

template <typename Convert>
void convert(std::span<const float> from, std::span<std::uint16_t> to, const Convert& convert_one) {
  if (from.size() != to.size()) {
    throw ShapeError(std::to_string(from.size()) + " numbers do not fit " + std::to_string(to.size()) + " places of 16 bits");
  }
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] = convert_one(from[i]);
  }
}

}  // namespace

std::uint16_t to_float16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16U) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  constexpr std::uint32_t kInfinity = 0x7F800000U, kSmallestNormal = 0x38800000U /* 2^-14 */, kOverflow = 0x477FF000U /* 65520 */;
  if (magnitude > kInfinity) return static_cast<std::uint16_t>(sign | 0x7E00U);
  if (magnitude >= kOverflow) return static_cast<std::uint16_t>(sign | 0x7C00U);
  if (magnitude < kSmallestNormal) {  // steps of 2^-24; the addition rounds to nearest even
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5F)));
  }
  const std::uint32_t is_odd = (magnitude >> 13U) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - (112U << 23U) + 0xFFFU + is_odd) >> 13U));
}

std::uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16U) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

void to_float16(std::span<const float> from, std::span<std::uint16_t> to) {
  convert(from, to, [](float value) { return to_float16(value); });
}
void to_bfloat16(std::span<const float> from, std::span<std::uint16_t> to) {
  convert(from, to, [](float value) { return to_bfloat16(value); });
}

void widen(FloatType type, std::span<const std::uint16_t> from, std::span<float> to) {
  if (type == FloatType::kFloat32 || from.size() != to.size())
    throw ShapeError("widening needs " + std::to_string(from.size()) + " values of 16 bits and as much room, not " +
                     std::to_string(to.size()) + " of " + float_type_name(type));
  matmul_detail::widen(type, from, to.data());
}

}  // namespace headroom
