// Small matrix products straight from row-major memory. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_TRAINING_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TRAINING_PRODUCT_INL_H_
#undef HEADROOM_CORE_TRAINING_PRODUCT_INL_H_
#else
#define HEADROOM_CORE_TRAINING_PRODUCT_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/training/kernels.h"
#include "core/training/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::training_kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatMask = hn::Mask<Floats>;
inline constexpr int kMaxVectors = 3;
// Accumulators are rows x vectors; with the vectors of b and one broadcast beside them they must fit the registers: 32 or 16.
inline constexpr int kTileRows = (HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON) ? 8 : 4;

enum class Tail { kNone, kLastVector };

/// The part of b that one pass over the rows of a reads, and where it lies now.
struct ColumnStrip {
  const float* b = nullptr;
  std::int64_t b_row = 0;
  std::int64_t begin = 0;  ///< first column of c
  std::int64_t k_begin = 0, k_end = 0;
  FloatMask last;  ///< lanes of the last vector that exist
};

template <int kVectors, Tail kTail, int kVector>
HWY_INLINE FloatVec load_part(const float* row, FloatMask last) {
  const Floats d;
  if constexpr (kTail == Tail::kLastVector && kVector == kVectors - 1) return hn::MaskedLoad(last, d, row + kVector * kLanes);
  return hn::LoadU(d, row + kVector * kLanes);
}

template <int kVectors, Tail kTail, int kVector>
HWY_INLINE void store_part(FloatVec value, float* row, FloatMask last) {
  const Floats d;
  if constexpr (kTail == Tail::kLastVector && kVector == kVectors - 1) {
    hn::BlendedStore(value, last, d, row + kVector * kLanes);
  } else {
    hn::StoreU(value, d, row + kVector * kLanes);
  }
}

template <int kVectors, Tail kTail, typename Rows, typename Vectors>
struct Tile;

/// A register tile of sizeof...(kRow) rows and kVectors vectors; the index packs keep every accumulator a name of its own.
template <int kVectors, Tail kTail, int... kRow, int... kVector>
struct Tile<kVectors, kTail, std::integer_sequence<int, kRow...>, std::integer_sequence<int, kVector...>> {
  static HWY_INLINE void add_row(FloatVec (&sums)[kVectors], float a, const FloatVec (&b)[kVectors]) {
    const FloatVec broadcast = hn::Set(Floats(), a);
    ((sums[kVector] = hn::MulAdd(broadcast, b[kVector], sums[kVector])), ...);
  }

  static HWY_NOINLINE void run(const Product& product, const ColumnStrip& strip, std::int64_t row) {
    const Floats d;
    const FloatMask last = strip.last;
    FloatVec sums[sizeof...(kRow)][kVectors];
    const bool is_first = strip.k_begin == 0;
    const float* const start = is_first ? product.start : product.c;
    const std::int64_t start_row = is_first ? product.start_row : product.c_row;
    FloatVec bias[kVectors];
    ((bias[kVector] = is_first && product.bias != nullptr ? load_part<kVectors, kTail, kVector>(product.bias + strip.begin, last)
                                                          : hn::Zero(d)),
     ...);
    const auto begin_row = [&](FloatVec(&into)[kVectors], std::int64_t r) {
      if (start == nullptr) {
        ((into[kVector] = bias[kVector]), ...);
      } else {
        const float* const from = start + (row + r) * start_row + strip.begin;
        ((into[kVector] = hn::Add(load_part<kVectors, kTail, kVector>(from, last), bias[kVector])), ...);
      }
    };
    (begin_row(sums[kRow], kRow), ...);

    const std::int64_t a_row = product.a_row, a_col = product.a_col, b_row = strip.b_row;
    const float* a = product.a + row * a_row + strip.k_begin * a_col;
    const float* b_at = strip.b;
    const std::int64_t depth = strip.k_end - strip.k_begin;
    if (a_row == 1) {
      for (std::int64_t k = 0; k < depth; ++k, a += a_col, b_at += b_row) {
        FloatVec b[kVectors];
        ((b[kVector] = load_part<kVectors, kTail, kVector>(b_at, last)), ...);
        (add_row(sums[kRow], a[kRow], b), ...);
      }
    } else {
      const float* rows[sizeof...(kRow)] = {(a + kRow * a_row)...};
      for (std::int64_t k = 0, at = 0; k < depth; ++k, at += a_col, b_at += b_row) {
        FloatVec b[kVectors];
        ((b[kVector] = load_part<kVectors, kTail, kVector>(b_at, last)), ...);
        (add_row(sums[kRow], rows[kRow][at], b), ...);
      }
    }
    const auto end_row = [&](const FloatVec(&from)[kVectors], std::int64_t r) {
      float* const to = product.c + (row + r) * product.c_row + strip.begin;
      (store_part<kVectors, kTail, kVector>(from[kVector], to, last), ...);
    };
    (end_row(sums[kRow], kRow), ...);
  }
};

template <int kRows, int kVectors, Tail kTail>
HWY_INLINE void run_tile(const Product& product, const ColumnStrip& strip, std::int64_t row) {
  Tile<kVectors, kTail, std::make_integer_sequence<int, kRows>, std::make_integer_sequence<int, kVectors>>::run(product, strip,
                                                                                                                row);
}

template <int kVectors, Tail kTail>
HWY_INLINE void run_strip(const Product& product, const ColumnStrip& strip) {
  std::int64_t row = 0;
  for (; row + kTileRows <= product.m; row += kTileRows)
    run_tile<kTileRows, kVectors, kTail>(product, strip, row);
  if (product.m - row >= 4) {
    run_tile<4, kVectors, kTail>(product, strip, row);
    row += 4;
  }
  for (; row < product.m; ++row)
    run_tile<1, kVectors, kTail>(product, strip, row);
}

// Beyond this depth the strip of b leaves the nearest cache; beyond this row length its rows fall on the same cache sets.
inline constexpr std::int64_t kDepthStep = 256;
inline constexpr std::int64_t kLongRow = 384;
inline constexpr std::int64_t kRowsWorthPacking = 24;

/// c = start + bias + a b.
HWY_INLINE void multiply_now(const Product& product, float* scratch) {
  const std::int64_t n_vectors = (product.n + kLanes - 1) / kLanes;
  const std::int64_t n_last = product.n - (n_vectors - 1) * kLanes;
  const Floats d;
  if (product.k == 0) {
    ColumnStrip none{product.b, product.b_row, 0, 0, 0, hn::FirstN(d, 0)};
    for (std::int64_t v = 0; v < n_vectors; ++v) {
      none.begin = v * kLanes;
      none.last = hn::FirstN(d, static_cast<std::size_t>(v + 1 == n_vectors ? n_last : kLanes));
      run_strip<1, Tail::kLastVector>(product, none);
    }
    return;
  }
  for (std::int64_t k_begin = 0; k_begin < product.k; k_begin += kDepthStep) {
    const std::int64_t k_end = std::min(product.k, k_begin + kDepthStep);
    for (std::int64_t v = 0; v < n_vectors;) {
      const std::int64_t left = n_vectors - v;
      const std::int64_t width = left == 4 ? 2 : std::min<std::int64_t>(left, kMaxVectors);
      const bool has_tail = v + width == n_vectors && n_last != kLanes;
      ColumnStrip strip{product.b + k_begin * product.b_row + v * kLanes,
                        product.b_row,
                        v * kLanes,
                        k_begin,
                        k_end,
                        hn::FirstN(d, static_cast<std::size_t>(has_tail ? n_last : kLanes))};
      if (product.b_row >= kLongRow && product.m >= kRowsWorthPacking) {
        const std::int64_t n = std::min(width * kLanes, product.n - v * kLanes);
        for (std::int64_t k = 0; k < k_end - k_begin; ++k)
          std::copy_n(strip.b + k * strip.b_row, n, scratch + k * width * kLanes);
        strip.b = scratch;
        strip.b_row = width * kLanes;
      }
      if (width == 3) {
        has_tail ? run_strip<3, Tail::kLastVector>(product, strip) : run_strip<3, Tail::kNone>(product, strip);
      } else if (width == 2) {
        has_tail ? run_strip<2, Tail::kLastVector>(product, strip) : run_strip<2, Tail::kNone>(product, strip);
      } else {
        has_tail ? run_strip<1, Tail::kLastVector>(product, strip) : run_strip<1, Tail::kNone>(product, strip);
      }
      v += width;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom::training_kernels
HWY_AFTER_NAMESPACE();

#endif
