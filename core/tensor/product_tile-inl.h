// Register tiles of the matrix product. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_TENSOR_PRODUCT_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TENSOR_PRODUCT_TILE_INL_H_
#undef HEADROOM_CORE_TENSOR_PRODUCT_TILE_INL_H_
#else
#define HEADROOM_CORE_TENSOR_PRODUCT_TILE_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/tensor/stored-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace product {

using Floats = hn::ScalableTag<float>;
using FloatVec = hn::Vec<Floats>;
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(Floats()));
/// Vectors of a panel's row at most.
inline constexpr int kMaxVectors = 3;
/// AVX-512 and NEON have 32 vector registers, the others 16.
inline constexpr bool kHasManyRegisters = HWY_TARGET == HWY_NEON || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3);
/// Accumulators are rows x 3 vectors; with 3 vectors of the panel and one broadcast beside them they fit the registers.
inline constexpr int kTileRows = kHasManyRegisters ? 8 : 4;
inline constexpr std::int64_t kFloatsPerLine = 16;

/// What a tile adds up: tile[r][lane] = sum over k < depth of rows[r * row_stride + k] * panel[k * width + lane], beginning at start[r],
/// or at what the tile holds where start is null. Rows of 16 bits are widened a cache line of floats at a time.
template <typename Stored>
struct RowOperands {
  const Stored* rows = nullptr;
  std::int64_t row_stride = 0;
  const Stored* ahead = nullptr;  ///< rows that the next tile reads, asked for meanwhile
  const float* panel = nullptr;
  std::int64_t depth = 0;
  const float* start = nullptr;
};
using TileOperands = RowOperands<float>;

/// Rows of a tile under computation. Named members, not arrays: the compiler keeps them in registers.
template <int kRows, int kVectors>
struct TileRows {
  const float* source;
  FloatVec v0, v1, v2;
  TileRows<kRows - 1, kVectors> below;
};
template <int kVectors>
struct TileRows<0, kVectors> {};

/// `source` and its stride: the rows themselves, or where they are widened to.
template <int kRows, int kVectors, typename Stored>
HWY_INLINE void begin_rows(const RowOperands<Stored>& in, std::int64_t r, const float* tile, TileRows<kRows, kVectors>& rows) {
  if constexpr (kRows > 0) {
    const Floats d;
    if constexpr (std::is_same_v<Stored, float>) rows.source = in.rows + r * in.row_stride;
    if (in.start != nullptr) {
      rows.v0 = hn::Set(d, in.start[r]);
      if constexpr (kVectors > 1) rows.v1 = rows.v0;
      if constexpr (kVectors > 2) rows.v2 = rows.v0;
    } else {
      rows.v0 = hn::Load(d, tile);
      if constexpr (kVectors > 1) rows.v1 = hn::Load(d, tile + kLanes);
      if constexpr (kVectors > 2) rows.v2 = hn::Load(d, tile + 2 * kLanes);
    }
    begin_rows(in, r + 1, tile + kVectors * kLanes, rows.below);
  }
}

template <int kRows, int kVectors>
HWY_INLINE void add_products(std::int64_t k, FloatVec p0, FloatVec p1, FloatVec p2, TileRows<kRows, kVectors>& rows) {
  if constexpr (kRows > 0) {
    const FloatVec broadcast = hn::Set(Floats(), rows.source[k]);
    rows.v0 = hn::MulAdd(broadcast, p0, rows.v0);
    if constexpr (kVectors > 1) rows.v1 = hn::MulAdd(broadcast, p1, rows.v1);
    if constexpr (kVectors > 2) rows.v2 = hn::MulAdd(broadcast, p2, rows.v2);
    add_products(k, p0, p1, p2, rows.below);
  }
}

template <int kRows, int kVectors>
HWY_INLINE void store_rows(const TileRows<kRows, kVectors>& rows, float* tile) {
  if constexpr (kRows > 0) {
    const Floats d;
    hn::Store(rows.v0, d, tile);
    if constexpr (kVectors > 1) hn::Store(rows.v1, d, tile + kLanes);
    if constexpr (kVectors > 2) hn::Store(rows.v2, d, tile + 2 * kLanes);
    store_rows(rows.below, tile + kVectors * kLanes);
  }
}

/// Rows of 16 bits as float32: n of each, at most kFloatsPerLine, to lines [kRows, kFloatsPerLine].
template <int kRows, typename Stored>
HWY_INLINE void widen_lines(const Stored* rows, std::int64_t row_stride, std::int64_t n, float* lines) {
  const Floats d;
  for (std::int64_t r = 0; r < kRows; ++r) {
    const Stored* const from = rows + r * row_stride;
    float* const to = lines + r * kFloatsPerLine;
    if (n == kFloatsPerLine) {
      for (std::int64_t c = 0; c < kFloatsPerLine; c += kLanes)
        hn::Store(load_wide(d, from + c), d, to + c);
    } else {
      for (std::int64_t c = 0; c < n; ++c)
        to[c] = widen_one(from[c]);
    }
  }
}

template <int kRows, int kVectors>
HWY_INLINE void point_to_lines(const float* lines, TileRows<kRows, kVectors>& rows) {
  if constexpr (kRows > 0) {
    rows.source = lines;
    point_to_lines(lines + kFloatsPerLine, rows.below);
  }
}

/// tile [kRows, kVectors * kLanes], aligned to vectors as the panel is.
template <int kRows, int kVectors, typename Stored>
HWY_NOINLINE void multiply_tile(const RowOperands<Stored>& in, float* tile) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  constexpr bool kIsWide = std::is_same_v<Stored, float>;
  const Floats d;
  TileRows<kRows, kVectors> rows;
  begin_rows(in, 0, tile, rows);
  HWY_ALIGN float lines[kIsWide ? 1 : kRows * kFloatsPerLine];
  if constexpr (!kIsWide) point_to_lines(lines, rows);
  const float* panel = in.panel;
  const std::int64_t depth = in.depth, row_stride = in.row_stride;
  const Stored *ahead = in.ahead, *from = in.rows;
  for (std::int64_t k = 0; k < depth; ahead += kFloatsPerLine, from += kFloatsPerLine) {
    for (std::int64_t r = 0; r < kRows; ++r) {
      hwy::Prefetch(ahead + r * row_stride);
    }
    const std::int64_t end = std::min(depth, k + kFloatsPerLine);
    if constexpr (!kIsWide) widen_lines<kRows>(from, row_stride, end - k, lines);
    for (std::int64_t at = kIsWide ? k : 0; k < end; ++k, ++at, panel += kWidth) {
      const FloatVec p0 = hn::Load(d, panel);
      FloatVec p1 = p0, p2 = p0;
      if constexpr (kVectors > 1) p1 = hn::Load(d, panel + kLanes);
      if constexpr (kVectors > 2) p2 = hn::Load(d, panel + 2 * kLanes);
      add_products(at, p0, p1, p2, rows);
    }
  }
  store_rows(rows, tile);
}

#if HWY_TARGET != HWY_SCALAR
/// As InterleaveLower and InterleaveUpper, two neighbouring floats at a time.
HWY_INLINE FloatVec interleave_pairs_lower(FloatVec a, FloatVec b) {
  const hn::Repartition<std::uint64_t, Floats> pairs;
  return hn::BitCast(Floats(), hn::InterleaveLower(pairs, hn::BitCast(pairs, a), hn::BitCast(pairs, b)));
}
HWY_INLINE FloatVec interleave_pairs_upper(FloatVec a, FloatVec b) {
  const hn::Repartition<std::uint64_t, Floats> pairs;
  return hn::BitCast(Floats(), hn::InterleaveUpper(pairs, hn::BitCast(pairs, a), hn::BitCast(pairs, b)));
}
#endif

#if HWY_TARGET != HWY_SCALAR
/// kLanes floats in quads: four each from rows[0], rows[step], ...
template <class D>
HWY_INLINE hn::Vec<D> load_quads(D d, const float* rows, std::int64_t step) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, rows);
  } else {
    const hn::Half<D> half;
    const std::int64_t n = static_cast<std::int64_t>(hn::MaxLanes(half)) / 4;
    return hn::Combine(d, load_quads(half, rows + n * step, step), load_quads(half, rows, step));
  }
}
#endif

struct Transpose {
  const float* rows = nullptr;
  std::int64_t row_stride = 0;
  float* target = nullptr;
  std::int64_t target_stride = 0;
};

/// target[c * target_stride + r] = rows[r * row_stride + c] for kLanes rows r and c in [0, n): whole vectors are written.
HWY_INLINE void transpose_lanes(const Transpose& t, std::int64_t n) {
  std::int64_t c = 0;
#if HWY_TARGET != HWY_SCALAR
  const Floats d;
  for (; c + 4 <= n; c += 4) {
    // Block b of the i-th holds four columns of row 4 b + i; a 4 x 4 transpose in each block does the rest.
    const float* const rows = t.rows + c;
    const FloatVec r0 = load_quads(d, rows, 4 * t.row_stride), r1 = load_quads(d, rows + t.row_stride, 4 * t.row_stride);
    const FloatVec r2 = load_quads(d, rows + 2 * t.row_stride, 4 * t.row_stride);
    const FloatVec r3 = load_quads(d, rows + 3 * t.row_stride, 4 * t.row_stride);
    const FloatVec low01 = hn::InterleaveLower(d, r0, r1), low23 = hn::InterleaveLower(d, r2, r3);
    const FloatVec high01 = hn::InterleaveUpper(d, r0, r1), high23 = hn::InterleaveUpper(d, r2, r3);
    float* const target = t.target + c * t.target_stride;
    hn::StoreU(interleave_pairs_lower(low01, low23), d, target);
    hn::StoreU(interleave_pairs_upper(low01, low23), d, target + t.target_stride);
    hn::StoreU(interleave_pairs_lower(high01, high23), d, target + 2 * t.target_stride);
    hn::StoreU(interleave_pairs_upper(high01, high23), d, target + 3 * t.target_stride);
  }
#endif
  for (; c < n; ++c) {
    for (std::int64_t r = 0; r < kLanes; ++r) {
      t.target[c * t.target_stride + r] = t.rows[r * t.row_stride + c];
    }
  }
}

/// The same for any number of rows, one by one.
HWY_INLINE void transpose_each(const Transpose& t, std::int64_t n_rows, std::int64_t n) {
  for (std::int64_t r = 0; r < n_rows; ++r) {
    for (std::int64_t c = 0; c < n; ++c) {
      t.target[c * t.target_stride + r] = t.rows[r * t.row_stride + c];
    }
  }
}

}  // namespace product
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
