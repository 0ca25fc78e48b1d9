// Register tiles of fused attention. Included once per instruction set (Highway's foreach_target).
//
// A row of the attention matrix is a lane: maxima and sums over keys never cross lanes, and K and V are read where they lie, one scalar
// at a time, broadcast. A tile is 8 (with 16 registers: 4) broadcast rows by up to three vectors.

#if defined(HEADROOM_CORE_ATTENTION_FLASH_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_FLASH_TILE_INL_H_
#undef HEADROOM_CORE_ATTENTION_FLASH_TILE_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_FLASH_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "core/attention/flash_block-inl.h"
#include "core/tensor/exp-inl.h"
#include "core/tensor/gemm_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {

/// Scores of up to kTileRows keys against all lanes. Everything of a panel lies [rows, stride].
struct ScorePanel {
  const float* q = nullptr;            ///< [d_head, stride], scaled
  const float* const* keys = nullptr;  ///< [n_keys] rows of K, and as many more as fill the last tile: they repeat the last key
  std::int64_t n_keys = 0;
  std::int64_t d_head = 0;
  std::int64_t stride = 0;
  float* scores = nullptr;   ///< [n_keys rounded up to tiles, stride]
  float* maximum = nullptr;  ///< [lanes] takes the scores' maxima in, where set
  Fetch* fetch = nullptr;    ///< gets a turn at each tile
};

template <int kVectors>
HWY_INLINE void raise_maximum(const TileRow& row, TileRow& maximum) {
  maximum.v0 = hn::Max(maximum.v0, row.v0);
  if constexpr (kVectors > 1) maximum.v1 = hn::Max(maximum.v1, row.v1);
  if constexpr (kVectors > 2) maximum.v2 = hn::Max(maximum.v2, row.v2);
}

template <int kVectors>
HWY_INLINE void load_row(const float* from, TileRow& row) {
  const Floats d;
  row.v0 = row.v1 = row.v2 = hn::Load(d, from);
  if constexpr (kVectors > 1) row.v1 = hn::Load(d, from + kLanes);
  if constexpr (kVectors > 2) row.v2 = hn::Load(d, from + 2 * kLanes);
}

template <int kVectors>
HWY_NOINLINE void multiply_scores(const ScorePanel& in) {
  const Floats d;
  const std::int64_t depth = in.d_head, stride = in.stride;
  float* scores = in.scores;
  for (std::int64_t j = 0; j < in.n_keys; j += kTileRows, scores += kTileRows * stride) {
    in.fetch->turn();
    const float* const* const keys = in.keys + j;
    const float *s0 = keys[0], *s1 = keys[1], *s2 = keys[2], *s3 = keys[3];
    const float *s4 = s0, *s5 = s0, *s6 = s0, *s7 = s0;
    TileRow r0, r1, r2, r3, r4, r5, r6, r7;
    start_row<kVectors>(nullptr, nullptr, r0);
    r1 = r2 = r3 = r4 = r5 = r6 = r7 = r0;
    if constexpr (kTileRows > 4) s4 = keys[4], s5 = keys[5], s6 = keys[6], s7 = keys[7];
    const float* q = in.q;
    for (std::int64_t c = 0; c < depth; ++c, q += stride) {
      const FloatVec p0 = hn::Load(d, q);
      FloatVec p1 = p0, p2 = p0;
      if constexpr (kVectors > 1) p1 = hn::Load(d, q + kLanes);
      if constexpr (kVectors > 2) p2 = hn::Load(d, q + 2 * kLanes);
      add_product<kVectors>(s0[c], p0, p1, p2, r0);
      add_product<kVectors>(s1[c], p0, p1, p2, r1);
      add_product<kVectors>(s2[c], p0, p1, p2, r2);
      add_product<kVectors>(s3[c], p0, p1, p2, r3);
      if constexpr (kTileRows > 4) {
        add_product<kVectors>(s4[c], p0, p1, p2, r4);
        add_product<kVectors>(s5[c], p0, p1, p2, r5);
        add_product<kVectors>(s6[c], p0, p1, p2, r6);
        add_product<kVectors>(s7[c], p0, p1, p2, r7);
      }
    }
    store_row<kVectors>(r0, scores);
    store_row<kVectors>(r1, scores + stride);
    store_row<kVectors>(r2, scores + 2 * stride);
    store_row<kVectors>(r3, scores + 3 * stride);
    if constexpr (kTileRows > 4) {
      store_row<kVectors>(r4, scores + 4 * stride);
      store_row<kVectors>(r5, scores + 5 * stride);
      store_row<kVectors>(r6, scores + 6 * stride);
      store_row<kVectors>(r7, scores + 7 * stride);
    }
    if (in.maximum == nullptr) continue;
    TileRow maximum;
    load_row<kVectors>(in.maximum, maximum);
    raise_maximum<kVectors>(r0, maximum);
    raise_maximum<kVectors>(r1, maximum);
    raise_maximum<kVectors>(r2, maximum);
    raise_maximum<kVectors>(r3, maximum);
    if constexpr (kTileRows > 4) {
      raise_maximum<kVectors>(r4, maximum);
      raise_maximum<kVectors>(r5, maximum);
      raise_maximum<kVectors>(r6, maximum);
      raise_maximum<kVectors>(r7, maximum);
    }
    store_row<kVectors>(maximum, in.maximum);
  }
}

/// What a tile of outputs begins with: nothing, what lies there, or that times a factor for each lane.
enum class Start { kZero, kAdd, kScale };

/// out[c][lane] (+)= sum over keys of values[key][c] * probs[key][lane].
struct ValuePanel {
  const float* probs = nullptr;          ///< [n_keys, stride]
  const float* const* values = nullptr;  ///< [n_keys] rows of V
  std::int64_t n_keys = 0;
  std::int64_t d_head = 0;
  std::int64_t stride = 0;
  float* out = nullptr;           ///< [d_head, stride]
  const float* factor = nullptr;  ///< [lanes]
  Start start = Start::kZero;
  Fetch* fetch = nullptr;
};

template <int kVectors>
HWY_INLINE void start_out(const ValuePanel& in, const float* out, TileRow& row) {
  const Floats d;
  if (in.start == Start::kZero) {
    row.v0 = row.v1 = row.v2 = hn::Zero(d);
    return;
  }
  load_row<kVectors>(out, row);
  if (in.start == Start::kAdd) return;
  row.v0 = hn::Mul(row.v0, hn::Load(d, in.factor));
  if constexpr (kVectors > 1) row.v1 = hn::Mul(row.v1, hn::Load(d, in.factor + kLanes));
  if constexpr (kVectors > 2) row.v2 = hn::Mul(row.v2, hn::Load(d, in.factor + 2 * kLanes));
}

/// kRows outputs from coordinate c on.
template <int kVectors, int kRows>
HWY_INLINE void multiply_value_rows(const ValuePanel& in, std::int64_t c) {
  const Floats d;
  const std::int64_t stride = in.stride;
  float* const out = in.out + c * stride;
  TileRow r0, r1, r2, r3, r4, r5, r6, r7;
  start_out<kVectors>(in, out, r0);
  r1 = r2 = r3 = r4 = r5 = r6 = r7 = r0;
  if constexpr (kRows > 1) start_out<kVectors>(in, out + stride, r1);
  if constexpr (kRows > 2) start_out<kVectors>(in, out + 2 * stride, r2);
  if constexpr (kRows > 2) start_out<kVectors>(in, out + 3 * stride, r3);
  if constexpr (kRows > 4) {
    start_out<kVectors>(in, out + 4 * stride, r4);
    start_out<kVectors>(in, out + 5 * stride, r5);
    start_out<kVectors>(in, out + 6 * stride, r6);
    start_out<kVectors>(in, out + 7 * stride, r7);
  }
  const float* probs = in.probs;
  const float* const* const end = in.values + in.n_keys;
  for (const float* const* key = in.values; key != end; ++key, probs += stride) {
    const float* const v = *key + c;
    const FloatVec p0 = hn::Load(d, probs);
    FloatVec p1 = p0, p2 = p0;
    if constexpr (kVectors > 1) p1 = hn::Load(d, probs + kLanes);
    if constexpr (kVectors > 2) p2 = hn::Load(d, probs + 2 * kLanes);
    add_product<kVectors>(v[0], p0, p1, p2, r0);
    if constexpr (kRows > 1) add_product<kVectors>(v[1], p0, p1, p2, r1);
    if constexpr (kRows > 2) add_product<kVectors>(v[2], p0, p1, p2, r2);
    if constexpr (kRows > 2) add_product<kVectors>(v[3], p0, p1, p2, r3);
    if constexpr (kRows > 4) {
      add_product<kVectors>(v[4], p0, p1, p2, r4);
      add_product<kVectors>(v[5], p0, p1, p2, r5);
      add_product<kVectors>(v[6], p0, p1, p2, r6);
      add_product<kVectors>(v[7], p0, p1, p2, r7);
    }
  }
  store_row<kVectors>(r0, out);
  if constexpr (kRows > 1) store_row<kVectors>(r1, out + stride);
  if constexpr (kRows > 2) store_row<kVectors>(r2, out + 2 * stride);
  if constexpr (kRows > 2) store_row<kVectors>(r3, out + 3 * stride);
  if constexpr (kRows > 4) {
    store_row<kVectors>(r4, out + 4 * stride);
    store_row<kVectors>(r5, out + 5 * stride);
    store_row<kVectors>(r6, out + 6 * stride);
    store_row<kVectors>(r7, out + 7 * stride);
  }
}

template <int kVectors>
HWY_NOINLINE void multiply_values(const ValuePanel& in) {
  std::int64_t c = 0;
  for (; c + kTileRows <= in.d_head; c += kTileRows) {
    in.fetch->turn();
    multiply_value_rows<kVectors, kTileRows>(in, c);
  }
  if (kTileRows > 4 && c + 4 <= in.d_head) {
    multiply_value_rows<kVectors, 4>(in, c);
    c += 4;
  }
  if (c + 2 <= in.d_head) {
    multiply_value_rows<kVectors, 2>(in, c);
    c += 2;
  }
  if (c < in.d_head) multiply_value_rows<kVectors, 1>(in, c);
}

struct ExpPanel {
  std::int64_t stride = 0;
  const float* origin = nullptr;  ///< [kLanes]
  float* sum = nullptr;           ///< [kLanes] takes the sums in
};

/// One vector of a panel, in place: scores become 2^(score - origin).
HWY_NOINLINE void exponentiate(float* scores, std::int64_t n_keys, const ExpPanel& panel) {
  const Floats d;
  const std::int64_t stride = panel.stride;
  const FloatVec origin = hn::Load(d, panel.origin);
  FloatVec s0 = hn::Load(d, panel.sum), s1 = hn::Zero(d), s2 = s1, s3 = s1;
  std::int64_t j = 0;
  for (; j + 4 <= n_keys; j += 4, scores += 4 * stride) {
    const FloatVec e0 = exp2_non_positive(d, hn::Sub(hn::Load(d, scores), origin));
    const FloatVec e1 = exp2_non_positive(d, hn::Sub(hn::Load(d, scores + stride), origin));
    const FloatVec e2 = exp2_non_positive(d, hn::Sub(hn::Load(d, scores + 2 * stride), origin));
    const FloatVec e3 = exp2_non_positive(d, hn::Sub(hn::Load(d, scores + 3 * stride), origin));
    hn::Store(e0, d, scores);
    hn::Store(e1, d, scores + stride);
    hn::Store(e2, d, scores + 2 * stride);
    hn::Store(e3, d, scores + 3 * stride);
    s0 = hn::Add(s0, e0);
    s1 = hn::Add(s1, e1);
    s2 = hn::Add(s2, e2);
    s3 = hn::Add(s3, e3);
  }
  for (; j < n_keys; ++j, scores += stride) {
    const FloatVec e = exp2_non_positive(d, hn::Sub(hn::Load(d, scores), origin));
    hn::Store(e, d, scores);
    s0 = hn::Add(s0, e);
  }
  hn::Store(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), d, panel.sum);
}

}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
