#include "core/tensor/simd_targets.h"
#include "core/training/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/training/product_kernels.cpp"
#include <hwy/foreach_target.h>

#include "core/training/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::training_kernels {
namespace HWY_NAMESPACE {

void Multiply(const Product& product, float* scratch) { multiply_now(product, scratch); }

}  // namespace HWY_NAMESPACE
}  // namespace headroom::training_kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom::training_kernels {

HWY_EXPORT(Multiply);

void multiply(const Product& product, float* scratch) { HWY_DYNAMIC_DISPATCH(Multiply)(product, scratch); }

std::int64_t scratch_size() { return 256 * 3 * 16 + 16; }

void transpose(const Transpose& t) {
  // Small blocks, so that both the rows read and the rows written stay in the nearest cache.
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t r0 = 0; r0 < t.rows; r0 += kBlock) {
    const std::int64_t r1 = r0 + kBlock < t.rows ? r0 + kBlock : t.rows;
    for (std::int64_t c = 0; c < t.cols; ++c)
      for (std::int64_t r = r0; r < r1; ++r)
        t.to[c * t.to_row + r] = t.from[r * t.from_row + c];
  }
}

}  // namespace headroom::training_kernels
#endif
