// Numbers as they are stored, widened to float32 in registers. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_TENSOR_STORED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TENSOR_STORED_INL_H_
#undef HEADROOM_CORE_TENSOR_STORED_INL_H_
#else
#define HEADROOM_CORE_TENSOR_STORED_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "core/tensor/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace product {
namespace hn = hwy::HWY_NAMESPACE;

/// Bit patterns of 16 bits; which kind is the type's.
struct Float16 {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

HWY_INLINE float widen_one(float value) { return value; }
HWY_INLINE float widen_one(Float16 value) { return from_float16(value.bits); }
HWY_INLINE float widen_one(BFloat16 value) { return from_bfloat16(value.bits); }

/// A vector of float32 from as many stored numbers, which need no alignment. Exact, as widen_one.
template <class D>
HWY_INLINE hn::Vec<D> load_wide(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
HWY_INLINE hn::Vec<D> load_wide(D d, const BFloat16* from) {
  const hn::Rebind<std::uint16_t, D> narrow;
  const hn::Rebind<std::uint32_t, D> wide;
  const auto bits = hn::LoadU(narrow, &from->bits);
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(wide, bits)));
}

template <class D>
HWY_INLINE hn::Vec<D> load_wide(D d, const Float16* from) {
  const hn::Rebind<std::uint16_t, D> narrow;
  const auto bits = hn::LoadU(narrow, &from->bits);
#if HWY_TARGET <= HWY_AVX2 || HWY_TARGET == HWY_NEON
  const hn::Rebind<hwy::float16_t, D> halves;
  return hn::PromoteTo(d, hn::BitCast(halves, bits));
#else
  // Without an instruction: the exponent moved to its place; where it was full, made full again; where it was zero, the number is
  // mantissa * 2^-24, as the difference of two that have an exponent.
  const hn::Rebind<std::uint32_t, D> wide;
  const auto half = hn::PromoteTo(wide, bits);
  const auto sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(wide, 0x8000U)));
  const auto moved = hn::ShiftLeft<13>(hn::And(half, hn::Set(wide, 0x7FFFU)));
  const auto exponent = hn::And(moved, hn::Set(wide, 0x0F800000U));
  const auto normal = hn::Add(moved, hn::Set(wide, 112U << 23U));
  const auto full = hn::Add(normal, hn::Set(wide, 112U << 23U));
  const auto small = hn::Sub(hn::BitCast(d, hn::Add(normal, hn::Set(wide, 1U << 23U))), hn::Set(d, 0x1p-14F));
  auto magnitude = hn::IfThenElse(hn::Eq(exponent, hn::Set(wide, 0x0F800000U)), full, normal);
  magnitude = hn::IfThenElse(hn::Eq(exponent, hn::Zero(wide)), hn::BitCast(wide, small), magnitude);
  return hn::BitCast(d, hn::Or(sign, magnitude));
#endif
}

}  // namespace product
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
