// Loops over rows of any length by vectors. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_TRAINING_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TRAINING_ROWS_INL_H_
#undef HEADROOM_CORE_TRAINING_ROWS_INL_H_
#else
#define HEADROOM_CORE_TRAINING_ROWS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace headroom::training_kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVec = hn::Vec<Floats>;
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(Floats()));

/// n numbers, n <= kLanes; the other lanes are zero.
HWY_INLINE FloatVec load(const float* at, std::int64_t n) {
  const Floats d;
  return n == kLanes ? hn::LoadU(d, at) : hn::MaskedLoad(hn::FirstN(d, static_cast<std::size_t>(n)), d, at);
}
HWY_INLINE void store(FloatVec value, float* at, std::int64_t n) {
  const Floats d;
  if (n == kLanes) {
    hn::StoreU(value, d, at);
  } else {
    hn::BlendedStore(value, hn::FirstN(d, static_cast<std::size_t>(n)), d, at);
  }
}

/// body(begin, count) for each vector of n numbers; count < kLanes in the last at most.
template <typename Body>
HWY_INLINE void each_vector(std::int64_t n, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    body(i, kLanes);
  if (i < n) body(i, n - i);
}

inline constexpr float kLog2E = 1.4426950408889634F;

}  // namespace HWY_NAMESPACE
}  // namespace headroom::training_kernels
HWY_AFTER_NAMESPACE();

#endif
