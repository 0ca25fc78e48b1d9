// Products of few rows, as dot products: nothing is packed, both sides are read along their rows. Included once per instruction set.

#if defined(HEADROOM_CORE_TENSOR_DOT_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TENSOR_DOT_TILE_INL_H_
#undef HEADROOM_CORE_TENSOR_DOT_TILE_INL_H_
#else
#define HEADROOM_CORE_TENSOR_DOT_TILE_INL_H_
#endif

#include <array>

#include "core/tensor/product_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace product {

/// Rows of x that meet four weight rows at once: their sums, the four weights and one x fit the registers.
inline constexpr int kMaxDotRows = kHasManyRegisters ? 6 : 2;
inline constexpr int kDotWeights = 4;

/// What a tile computes: sums[r * sums_stride + w] = start[w] + x row r · weights[w].
template <typename Stored>
struct DotOperands {
  const float* x = nullptr;  ///< the first row
  std::int64_t x_stride = 0;
  std::array<const Stored*, kDotWeights> weights{};
  std::array<const Stored*, kDotWeights> ahead{};  ///< rows to ask for meanwhile
  std::int64_t depth = 0;
  const float* start = nullptr;  ///< aligned
  float* sums = nullptr;
  std::int64_t sums_stride = 0;
};

/// Sums of one row of x with the four weight rows. Named members, not arrays: the compiler keeps them in registers.
template <int kRows>
struct DotRows {
  const float* x;
  FloatVec s0, s1, s2, s3;
  DotRows<kRows - 1> below;
};
template <>
struct DotRows<0> {};

template <int kRows>
HWY_INLINE void begin_dots(const float* x, std::int64_t stride, DotRows<kRows>& rows) {
  if constexpr (kRows > 0) {
    rows.x = x;
    rows.s0 = rows.s1 = rows.s2 = rows.s3 = hn::Zero(Floats());
    begin_dots(x + stride, stride, rows.below);
  }
}

/// n of the kLanes values at `from`; zeros beyond.
template <typename Stored>
HWY_INLINE FloatVec load_part(const Stored* from, std::int64_t n) {
  HWY_ALIGN float lanes[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i)
    lanes[i] = widen_one(from[i]);
  return hn::Load(Floats(), lanes);
}

struct WeightVectors {
  FloatVec w0, w1, w2, w3;
};

template <int kRows>
HWY_INLINE void add_dots(std::int64_t k, const WeightVectors& w, DotRows<kRows>& rows) {
  if constexpr (kRows > 0) {
    const FloatVec x = hn::LoadU(Floats(), rows.x + k);
    rows.s0 = hn::MulAdd(x, w.w0, rows.s0);
    rows.s1 = hn::MulAdd(x, w.w1, rows.s1);
    rows.s2 = hn::MulAdd(x, w.w2, rows.s2);
    rows.s3 = hn::MulAdd(x, w.w3, rows.s3);
    add_dots(k, w, rows.below);
  }
}

template <int kRows>
HWY_INLINE void add_last_dots(std::int64_t k, std::int64_t n, const WeightVectors& w, DotRows<kRows>& rows) {
  if constexpr (kRows > 0) {
    const FloatVec x = load_part(rows.x + k, n);
    rows.s0 = hn::MulAdd(x, w.w0, rows.s0);
    rows.s1 = hn::MulAdd(x, w.w1, rows.s1);
    rows.s2 = hn::MulAdd(x, w.w2, rows.s2);
    rows.s3 = hn::MulAdd(x, w.w3, rows.s3);
    add_last_dots(k, n, w, rows.below);
  }
}

#if HWY_TARGET != HWY_SCALAR
/// Adds the blocks of four lanes to one.
template <class D>
HWY_INLINE hn::Vec<hn::Full128<float>> sum_blocks([[maybe_unused]] D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return sum_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

template <int kRows, typename Stored>
HWY_INLINE void store_dots(const DotOperands<Stored>& in, const DotRows<kRows>& rows, float* sums) {
  if constexpr (kRows > 0) {
#if HWY_TARGET != HWY_SCALAR
    const Floats d;
    const FloatVec s01 = hn::Add(hn::InterleaveLower(d, rows.s0, rows.s1), hn::InterleaveUpper(d, rows.s0, rows.s1));
    const FloatVec s23 = hn::Add(hn::InterleaveLower(d, rows.s2, rows.s3), hn::InterleaveUpper(d, rows.s2, rows.s3));
    const FloatVec s = hn::Add(interleave_pairs_lower(s01, s23), interleave_pairs_upper(s01, s23));
    const hn::Full128<float> quad;
    hn::StoreU(hn::Add(hn::Load(quad, in.start), sum_blocks(d, s)), quad, sums);
#else
    sums[0] = in.start[0] + hn::GetLane(rows.s0);
    sums[1] = in.start[1] + hn::GetLane(rows.s1);
    sums[2] = in.start[2] + hn::GetLane(rows.s2);
    sums[3] = in.start[3] + hn::GetLane(rows.s3);
#endif
    store_dots(in, rows.below, sums + in.sums_stride);
  }
}

/// kRows rows of x with four weight rows.
template <int kRows, typename Stored>
HWY_NOINLINE void dot_tile(const DotOperands<Stored>& in) {
  const Floats d;
  DotRows<kRows> rows;
  begin_dots(in.x, in.x_stride, rows);
  constexpr std::int64_t kPerLine = kFloatsPerLine * static_cast<std::int64_t>(sizeof(float) / sizeof(Stored));
  const Stored *const w0 = in.weights[0], *const w1 = in.weights[1], *const w2 = in.weights[2], *const w3 = in.weights[3];
  const Stored *const a0 = in.ahead[0], *const a1 = in.ahead[1], *const a2 = in.ahead[2], *const a3 = in.ahead[3];
  const std::int64_t depth = in.depth;
  std::int64_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) {
    if (kLanes >= kPerLine || k % kPerLine == 0) {
      hwy::Prefetch(a0 + k);
      hwy::Prefetch(a1 + k);
      hwy::Prefetch(a2 + k);
      hwy::Prefetch(a3 + k);
    }
    add_dots(k, {load_wide(d, w0 + k), load_wide(d, w1 + k), load_wide(d, w2 + k), load_wide(d, w3 + k)}, rows);
  }
  if (const std::int64_t n = depth - k; n > 0) {
    add_last_dots(k, n, {load_part(w0 + k, n), load_part(w1 + k, n), load_part(w2 + k, n), load_part(w3 + k, n)}, rows);
  }
  store_dots(in, rows, in.sums);
}

}  // namespace product
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
