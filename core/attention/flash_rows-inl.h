// Rows of q and of the output, between where they lie and the kernel's lanes. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_FLASH_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_FLASH_ROWS_INL_H_
#undef HEADROOM_CORE_ATTENTION_FLASH_ROWS_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_FLASH_ROWS_INL_H_
#endif

#include <hwy/highway.h>

#include <atomic>
#include <cmath>
#include <cstdint>

#include "core/tensor/dtype.h"
#include "core/tensor/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
/// Four neighbours of every fourth row, a row a 128-bit block.
template <class D>
HWY_INLINE hn::Vec<D> load_quads(D d, const float* const* rows, std::int64_t c) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    return hn::LoadU(d, rows[0] + c);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, load_quads(half, rows + hn::MaxLanes(half), c), load_quads(half, rows, c));
  }
}

template <class D>
HWY_INLINE void store_quads(D d, hn::Vec<D> quads, float* const* rows, std::int64_t c) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    hn::StoreU(quads, d, rows[0] + c);
  } else {
    const hn::Half<D> half;
    store_quads(half, hn::LowerHalf(half, quads), rows, c);
    store_quads(half, hn::UpperHalf(half, quads), rows + hn::MaxLanes(half), c);
  }
}

/// Transposes the 4 x 4 numbers of each 128-bit block.
HWY_INLINE void transpose_blocks(FloatVec& v0, FloatVec& v1, FloatVec& v2, FloatVec& v3) {
  const Floats d;
  const hn::RepartitionToWide<hn::RebindToUnsigned<Floats>> wide;
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, v0, v1)), low23 = hn::BitCast(wide, hn::InterleaveLower(d, v2, v3));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, v0, v1)), high23 = hn::BitCast(wide, hn::InterleaveUpper(d, v2, v3));
  v0 = hn::BitCast(d, hn::InterleaveLower(wide, low01, low23));
  v1 = hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23));
  v2 = hn::BitCast(d, hn::InterleaveLower(wide, high01, high23));
  v3 = hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23));
}
#endif

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
/// Transposes 16 x 16 numbers: rows become columns.
HWY_INLINE void transpose_square(FloatVec* v) {
  for (int i = 0; i < 16; i += 4) {
    transpose_blocks(v[i], v[i + 1], v[i + 2], v[i + 3]);  // block b of v[i + k]: column 4b + k of rows i ... i + 3
  }
  for (int k = 0; k < 4; ++k) {  // gathers the blocks of each column, four rows at a time, into one vector
    const __m512 a = v[k].raw, b = v[4 + k].raw, c = v[8 + k].raw, e = v[12 + k].raw;
    const __m512 ab_low = _mm512_shuffle_f32x4(a, b, 0x88), ab_high = _mm512_shuffle_f32x4(a, b, 0xDD);
    const __m512 ce_low = _mm512_shuffle_f32x4(c, e, 0x88), ce_high = _mm512_shuffle_f32x4(c, e, 0xDD);
    v[k] = FloatVec{_mm512_shuffle_f32x4(ab_low, ce_low, 0x88)};
    v[4 + k] = FloatVec{_mm512_shuffle_f32x4(ab_high, ce_high, 0x88)};
    v[8 + k] = FloatVec{_mm512_shuffle_f32x4(ab_low, ce_low, 0xDD)};
    v[12 + k] = FloatVec{_mm512_shuffle_f32x4(ab_high, ce_high, 0xDD)};
  }
}
#define HEADROOM_HAS_SQUARE 1
#else
#define HEADROOM_HAS_SQUARE 0
#endif

/// panel[c * stride + lane] = factor * rows[lane][c]. Shapes  rows [kLanes] of d_head each.
HWY_INLINE void pack_lanes(const float* const* rows, std::int64_t d_head, float factor, float* panel, std::int64_t stride) {
  std::int64_t c = 0;
#if HEADROOM_HAS_SQUARE
  const Floats wide;
  const FloatVec times = hn::Set(wide, factor);
  for (; c + kLanes <= d_head; c += kLanes) {
    std::atomic_signal_fence(
        std::memory_order_acq_rel);  // or the compiler would keep the rows' addresses in vector registers, for want of others
    FloatVec square[16];
    for (int i = 0; i < 16; ++i)
      square[i] = hn::LoadU(wide, rows[i] + c);
    transpose_square(square);
    for (int i = 0; i < 16; ++i)
      hn::Store(hn::Mul(square[i], times), wide, panel + (c + i) * stride);
  }
#endif
#if HWY_TARGET != HWY_SCALAR
  const Floats d;
  const FloatVec scale = hn::Set(d, factor);
  for (; c + 4 <= d_head; c += 4) {
    std::atomic_signal_fence(std::memory_order_acq_rel);
    FloatVec v0 = load_quads(d, rows, c), v1 = load_quads(d, rows + 1, c), v2 = load_quads(d, rows + 2, c),
             v3 = load_quads(d, rows + 3, c);
    transpose_blocks(v0, v1, v2, v3);
    float* const to = panel + c * stride;
    hn::Store(hn::Mul(v0, scale), d, to);
    hn::Store(hn::Mul(v1, scale), d, to + stride);
    hn::Store(hn::Mul(v2, scale), d, to + 2 * stride);
    hn::Store(hn::Mul(v3, scale), d, to + 3 * stride);
  }
#endif
  for (; c < d_head; ++c) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      panel[c * stride + lane] = factor * rows[lane][c];
    }
  }
}

/// rows[lane][c] = panel[c * stride + lane] * factors[lane].
HWY_INLINE void unpack_lanes(const float* panel, std::int64_t stride, const float* factors, std::int64_t d_head,
                             float* const* rows) {
  std::int64_t c = 0;
#if HEADROOM_HAS_SQUARE
  const Floats wide;
  const FloatVec times = hn::Load(wide, factors);
  for (; c + kLanes <= d_head; c += kLanes) {
    std::atomic_signal_fence(std::memory_order_acq_rel);
    FloatVec square[16];
    for (int i = 0; i < 16; ++i)
      square[i] = hn::Mul(hn::Load(wide, panel + (c + i) * stride), times);
    transpose_square(square);
    for (int i = 0; i < 16; ++i)
      hn::StoreU(square[i], wide, rows[i] + c);
  }
#endif
#if HWY_TARGET != HWY_SCALAR
  const Floats d;
  const FloatVec factor = hn::Load(d, factors);
  for (; c + 4 <= d_head; c += 4) {
    std::atomic_signal_fence(std::memory_order_acq_rel);
    const float* const from = panel + c * stride;
    FloatVec v0 = hn::Mul(hn::Load(d, from), factor), v1 = hn::Mul(hn::Load(d, from + stride), factor);
    FloatVec v2 = hn::Mul(hn::Load(d, from + 2 * stride), factor), v3 = hn::Mul(hn::Load(d, from + 3 * stride), factor);
    transpose_blocks(v0, v1, v2, v3);
    store_quads(d, v0, rows, c);
    store_quads(d, v1, rows + 1, c);
    store_quads(d, v2, rows + 2, c);
    store_quads(d, v3, rows + 3, c);
  }
#endif
  for (; c < d_head; ++c) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      rows[lane][c] = panel[c * stride + lane] * factors[lane];
    }
  }
}
#undef HEADROOM_HAS_SQUARE

/// A row of 16-bit numbers as float32.
HWY_INLINE void widen_row(const std::uint16_t* from, std::int64_t n, KvStorage storage, float* to) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const Floats d;
  if (storage == KvStorage::kFloat16) {
    const hn::Rebind<hwy::float16_t, Floats> half;
    for (; i + kLanes <= n; i += kLanes) {
      hn::StoreU(hn::PromoteTo(d, hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(from + i))), d, to + i);
    }
  } else {
    const hn::Rebind<hwy::bfloat16_t, Floats> half;
    for (; i + kLanes <= n; i += kLanes) {
      hn::StoreU(hn::PromoteTo(d, hn::LoadU(half, reinterpret_cast<const hwy::bfloat16_t*>(from + i))), d, to + i);
    }
  }
#endif
  for (; i < n; ++i) {
    to[i] = storage == KvStorage::kFloat16 ? from_float16(from[i]) : from_bfloat16(from[i]);
  }
}

/// Is every number finite? An infinite or missing one makes the sum of x - x a NaN.
HWY_INLINE bool is_finite_row(const float* row, std::int64_t n) {
  std::int64_t i = 0;
  float sum = 0;
  const Floats d;
  FloatVec differences = hn::Zero(d);
  for (; i + kLanes <= n; i += kLanes) {
    const FloatVec x = hn::LoadU(d, row + i);
    differences = hn::Add(differences, hn::Sub(x, x));
  }
  sum = hn::GetLane(hn::SumOfLanes(d, differences));
  for (; i < n; ++i) {
    sum += row[i] - row[i];
  }
  return sum == 0;
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
