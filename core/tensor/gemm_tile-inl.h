// Register tile shared by the matrix product and by fused attention. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_TENSOR_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_TENSOR_GEMM_TILE_INL_H_
#undef HEADROOM_CORE_TENSOR_GEMM_TILE_INL_H_
#else
#define HEADROOM_CORE_TENSOR_GEMM_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVec = hn::Vec<Floats>;
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(Floats()));
inline constexpr int kMaxVectors = 3;
// Accumulators are rows x 3 vectors; with 3 vectors of the panel and one broadcast beside them they must fit the registers: 32 or 16.
inline constexpr int kTileRows = (HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON) ? 8 : 4;

/// What one tile multiplies: tile[r][lane] = sum over k < depth of rows[r][k * row_step] * panel[k * panel_step + lane].
struct TileOperands {
  const float* rows[8] = {};  ///< the first kTileRows are read; a missing row repeats a real one, and its result is left unused
  std::int64_t row_step = 1;
  const float* panel = nullptr;
  std::int64_t panel_step = 0;
  std::int64_t depth = 0;
};

// Named members, not arrays: the compiler keeps them in registers.
struct TileRow {
  FloatVec v0, v1, v2;
};

template <int kVectors>
HWY_INLINE void start_row(const float* tile, const float* factor, TileRow& row) {
  const Floats d;
  row.v0 = row.v1 = row.v2 = hn::Zero(d);
  if (factor == nullptr) return;
  row.v0 = hn::Mul(hn::Load(d, tile), hn::Load(d, factor));
  if constexpr (kVectors > 1) row.v1 = hn::Mul(hn::Load(d, tile + kLanes), hn::Load(d, factor + kLanes));
  if constexpr (kVectors > 2) row.v2 = hn::Mul(hn::Load(d, tile + 2 * kLanes), hn::Load(d, factor + 2 * kLanes));
}

template <int kVectors>
HWY_INLINE void add_product(float s, FloatVec p0, FloatVec p1, FloatVec p2, TileRow& row) {
  const FloatVec broadcast = hn::Set(Floats(), s);
  row.v0 = hn::MulAdd(broadcast, p0, row.v0);
  if constexpr (kVectors > 1) row.v1 = hn::MulAdd(broadcast, p1, row.v1);
  if constexpr (kVectors > 2) row.v2 = hn::MulAdd(broadcast, p2, row.v2);
}

template <int kVectors>
HWY_INLINE void store_row(const TileRow& row, float* tile) {
  const Floats d;
  hn::Store(row.v0, d, tile);
  if constexpr (kVectors > 1) hn::Store(row.v1, d, tile + kLanes);
  if constexpr (kVectors > 2) hn::Store(row.v2, d, tile + 2 * kLanes);
}

/// tile [kTileRows, kVectors * kLanes] = product, or tile * factor + product when factor [kVectors * kLanes] is given. Panel, tile and
/// factor are aligned to vectors.
template <int kVectors>
HWY_NOINLINE void multiply_tile(const TileOperands& in, const float* factor, float* tile) {
  constexpr std::int64_t kWidth = kVectors * kLanes;
  const Floats d;
  TileRow r0, r1, r2, r3, r4, r5, r6, r7;
  start_row<kVectors>(tile, factor, r0);
  start_row<kVectors>(tile + kWidth, factor, r1);
  start_row<kVectors>(tile + 2 * kWidth, factor, r2);
  start_row<kVectors>(tile + 3 * kWidth, factor, r3);
  if constexpr (kTileRows > 4) {
    start_row<kVectors>(tile + 4 * kWidth, factor, r4);
    start_row<kVectors>(tile + 5 * kWidth, factor, r5);
    start_row<kVectors>(tile + 6 * kWidth, factor, r6);
    start_row<kVectors>(tile + 7 * kWidth, factor, r7);
  }
  const float *s0 = in.rows[0], *s1 = in.rows[1], *s2 = in.rows[2], *s3 = in.rows[3];
  const float *s4 = in.rows[4], *s5 = in.rows[5], *s6 = in.rows[6], *s7 = in.rows[7];
  const float* panel = in.panel;
  const std::int64_t row_step = in.row_step, panel_step = in.panel_step;
  for (std::int64_t k = 0, at = 0; k < in.depth; ++k, at += row_step, panel += panel_step) {
    const FloatVec p0 = hn::Load(d, panel);
    FloatVec p1 = p0, p2 = p0;
    if constexpr (kVectors > 1) p1 = hn::Load(d, panel + kLanes);
    if constexpr (kVectors > 2) p2 = hn::Load(d, panel + 2 * kLanes);
    add_product<kVectors>(s0[at], p0, p1, p2, r0);
    add_product<kVectors>(s1[at], p0, p1, p2, r1);
    add_product<kVectors>(s2[at], p0, p1, p2, r2);
    add_product<kVectors>(s3[at], p0, p1, p2, r3);
    if constexpr (kTileRows > 4) {
      add_product<kVectors>(s4[at], p0, p1, p2, r4);
      add_product<kVectors>(s5[at], p0, p1, p2, r5);
      add_product<kVectors>(s6[at], p0, p1, p2, r6);
      add_product<kVectors>(s7[at], p0, p1, p2, r7);
    }
  }
  store_row<kVectors>(r0, tile);
  store_row<kVectors>(r1, tile + kWidth);
  store_row<kVectors>(r2, tile + 2 * kWidth);
  store_row<kVectors>(r3, tile + 3 * kWidth);
  if constexpr (kTileRows > 4) {
    store_row<kVectors>(r4, tile + 4 * kWidth);
    store_row<kVectors>(r5, tile + 5 * kWidth);
    store_row<kVectors>(r6, tile + 6 * kWidth);
    store_row<kVectors>(r7, tile + 7 * kWidth);
  }
}

/// target[c * target_step + r] = rows[r][c] for the four rows r and c in [0, n): a transpose, four elements at a time.
HWY_INLINE void transpose_four(const float* const* rows, std::int64_t n, float* target, std::int64_t target_step) {
  std::int64_t c = 0;
#if HWY_TARGET != HWY_SCALAR
  const Floats d;
  const hn::Full128<float> quad;
  HWY_ALIGN float quads[4 * kLanes];
  for (; c + kLanes <= n; c += kLanes) {
    hn::StoreInterleaved4(hn::LoadU(d, rows[0] + c), hn::LoadU(d, rows[1] + c), hn::LoadU(d, rows[2] + c),
                          hn::LoadU(d, rows[3] + c), d, quads);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      hn::StoreU(hn::Load(quad, quads + 4 * lane), quad, target + (c + lane) * target_step);
    }
  }
#endif
  for (; c < n; ++c) {
    for (std::int64_t r = 0; r < 4; ++r) {
      target[c * target_step + r] = rows[r][c];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
