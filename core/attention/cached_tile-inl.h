// Rows of K and V that lie in pages, read as they are stored. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_CACHED_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_CACHED_TILE_INL_H_
#undef HEADROOM_CORE_ATTENTION_CACHED_TILE_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_CACHED_TILE_INL_H_
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/attention/cached_call.h"
#include "core/attention/decode_tile-inl.h"
#include "core/tensor/stored-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR

/// Some rows of one K/V head, wherever they lie.
struct RowList {
  std::int64_t n = 0;
  std::array<const std::byte*, kTileKeys>
      rows;  ///< beyond n: the last one again. Where K's values begin; V's lie further on by the same number of bytes for all
  HWY_ALIGN std::array<float, kTileKeys> k_scales, v_scales;
  HWY_ALIGN std::array<std::int32_t, kTileKeys> positions;
  std::array<std::int32_t, kTileKeys> slots;
};

/// Where the scores of rows are wanted, by slot; null for a row whose are not.
using KeptScores = std::array<float*, 8>;

/// Values of a row, without their scale.
template <RowFormat kFormat>
struct StoredValues;

template <typename Number>
struct StoredFloats {
  /// Neighbouring vectors from value c on, a multiple of the lanes; of 32 values where there are so many.
  template <std::size_t kN>
  static HWY_INLINE void load(const std::byte* row, std::int64_t c, std::int64_t, std::array<FloatVec, kN>& to) {
    const auto* const from = reinterpret_cast<const Number*>(row) + c;
    repeat<kN>([&](auto i)
                   HEADROOM_INLINED { to[i()] = product::load_wide(Floats(), from + static_cast<std::int64_t>(i()) * kLanes); });
  }
  static float at(const std::byte* row, std::int64_t c, std::int64_t) {
    return product::widen_one(reinterpret_cast<const Number*>(row)[c]);
  }
};
template <>
struct StoredValues<RowFormat::kFloat32> : StoredFloats<float> {};
template <>
struct StoredValues<RowFormat::kFloat16> : StoredFloats<product::Float16> {};
template <>
struct StoredValues<RowFormat::kBFloat16> : StoredFloats<product::BFloat16> {};

template <>
struct StoredValues<RowFormat::kInt8> {
  template <std::size_t kN>
  static HWY_INLINE void load(const std::byte* row, std::int64_t c, std::int64_t, std::array<FloatVec, kN>& to) {
    const hn::Rebind<std::int8_t, Floats> narrow;
    const auto* const from = reinterpret_cast<const std::int8_t*>(row) + c;
    repeat<kN>([&](auto i) HEADROOM_INLINED {
      to[i()] = hn::ConvertTo(Floats(), hn::PromoteTo(Ints(), hn::LoadU(narrow, from + static_cast<std::int64_t>(i()) * kLanes)));
    });
  }
  static float at(const std::byte* row, std::int64_t c, std::int64_t) {
    return static_cast<float>(static_cast<std::int8_t>(row[c]));
  }
};

template <>
struct StoredValues<RowFormat::kInt4> {
  template <std::size_t kN>
  static HWY_INLINE void load(const std::byte* row, std::int64_t c, std::int64_t d_head, std::array<FloatVec, kN>& to) {
    const hn::Rebind<std::uint8_t, Floats> bytes;
    const auto* const from = reinterpret_cast<const std::uint8_t*>(row);
    if constexpr (kN * kLanes % 32 == 0) {  // whole blocks: the lower halves of 16 bytes, then the upper ones
      repeat<kN>([&](auto i) HEADROOM_INLINED {
        constexpr std::int64_t kFirst = static_cast<std::int64_t>(i()) * kLanes;
        const IntVec both = hn::PromoteTo(Ints(), hn::LoadU(bytes, from + c / 2 + kFirst / 32 * 16 + kFirst % 16));
        if constexpr (kFirst % 32 < 16) {
          to[i()] = numbers(both);
        } else {
          to[i()] = numbers(hn::ShiftRight<4>(both));
        }
      });
    } else {
      repeat<kN>([&](auto i) HEADROOM_INLINED { to[i()] = load_one(from, c + static_cast<std::int64_t>(i()) * kLanes, d_head); });
    }
  }
  static float at(const std::byte* row, std::int64_t c, std::int64_t d_head) {
    const bool is_block = c < d_head / 32 * 32;
    const auto byte = std::to_integer<unsigned>(row[is_block ? c / 32 * 16 + c % 16 : c / 2]);
    const bool is_low = is_block ? c % 32 < 16 : c % 2 == 0;
    return static_cast<float>(static_cast<int>((is_low ? byte : byte >> 4U) & 15U) - 8);
  }

 private:
  static HWY_INLINE FloatVec load_one(const std::uint8_t* from, std::int64_t c, std::int64_t d_head) {
    const hn::Rebind<std::uint8_t, Floats> bytes;
    if (c < d_head / 32 * 32) {
      const IntVec both = hn::PromoteTo(Ints(), hn::LoadU(bytes, from + c / 32 * 16 + c % 16));
      return (c & 16) == 0 ? numbers(both) : numbers(hn::ShiftRight<4>(both));
    }
    // Neighbours share a byte: one byte becomes two, of which each keeps its half.
    const hn::Rebind<std::uint8_t, hn::Half<Floats>> half_bytes;
    const hn::Rebind<std::uint16_t, hn::Half<Floats>> pairs;
    const auto pair = hn::PromoteTo(pairs, hn::LoadU(half_bytes, from + c / 2));
    return numbers(hn::PromoteTo(Ints(), hn::BitCast(bytes, hn::Or(pair, hn::ShiftLeft<4>(pair)))));
  }

  /// The lowest four bits of each lane, less 8.
  static HWY_INLINE FloatVec numbers(IntVec lanes) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
    // A table of sixteen numbers, of which the instruction takes the lowest four bits of each index.
    const FloatVec table = hn::Sub(hn::ConvertTo(Floats(), hn::Iota(Ints(), 0)), hn::Set(Floats(), 8.0F));
    return FloatVec{_mm512_permutexvar_ps(lanes.raw, table.raw)};
#else
    return hn::ConvertTo(Floats(), hn::Sub(hn::And(lanes, hn::Set(Ints(), 15)), hn::Set(Ints(), 8)));
#endif
  }
};

/// As finish_scores, of keys that stand anywhere.
template <int kRows>
HWY_NOINLINE void finish_listed_scores(const ScoreTerms& terms, const GroupRows& rows, const RowList& list, float* scores) {
  const Floats d;
  const Ints di;
  constexpr int kShift = kRows == 8 ? 3 : kRows == 4 ? 2 : kRows == 2 ? 1 : 0;
  const std::int64_t n = list.n * kRows, n_computed = (n + kLanes - 1) / kLanes * kLanes;
  const IntVec key_of_lane = hn::ShiftRight<kShift>(hn::Iota(di, 0)), reach = hn::Set(di, terms.reach);
  const FloatVec cap = hn::Set(d, terms.cap), inverse = hn::Set(d, terms.cap > 0 ? 1 / terms.cap : 0);
  for (std::int64_t at = 0; at < n_computed; at += kLanes) {
    FloatVec score = hn::Load(d, scores + at);
    if (terms.cap > 0) score = hn::Mul(cap, tanh_of(hn::Mul(score, inverse)));
    if (terms.bias != nullptr) {
      // Lanes beyond the last key take the last's.
      const IntVec key = hn::Min(hn::Add(key_of_lane, hn::Set(di, static_cast<std::int32_t>(at / kRows))),
                                 hn::Set(di, static_cast<std::int32_t>(list.n - 1)));
      const IntVec distance = hn::Sub(hn::GatherIndex(di, list.positions.data(), key), hn::Load(di, rows.position.data()));
      const IntVec place =
          hn::Add(hn::Add(hn::Load(di, rows.bias_row.data()), reach), hn::Max(hn::Neg(reach), hn::Min(distance, reach)));
      score = hn::MulAdd(hn::Set(d, terms.unit), hn::GatherIndex(d, terms.bias, place), score);
    }
    hn::Store(score, d, scores + at);
  }
  std::fill(scores + n, scores + n_computed, kMinusInfinity);
}

/// K or V of a list of rows, as DecodeTile reads it.
template <RowFormat kFormat>
struct Listed {
  static constexpr bool kIsListed = true;

  const RowList& list;
  const RowList* ahead;        ///< what will be read next; null: nothing, or it is asked for already
  std::int64_t offset;         ///< bytes from K's values
  std::int64_t d_head, bytes;  ///< of a row's values
  const KeptScores* kept;

  using Row = const std::byte*;
  HWY_INLINE Row row(std::int64_t key) const { return list.rows[static_cast<std::size_t>(key)] + offset; }
  template <std::size_t kN>
  HWY_INLINE void load(Row from, std::int64_t c, std::array<FloatVec, kN>& to) const {
    StoredValues<kFormat>::load(from, c, d_head, to);
  }
  float at(std::int64_t key, std::int64_t c) const { return StoredValues<kFormat>::at(row(key), c, d_head); }
  /// Asks for kKeys of the rows that will be read next: a page's rows are too few for the processor to see
  /// where they lead.
  template <std::size_t kKeys>
  HWY_INLINE void fetch(const Listed& v, std::int64_t from) const {
    if (ahead == nullptr || from >= ahead->n) return;
    const auto first = static_cast<std::size_t>(from);
    for (std::size_t key = first; key < first + kKeys; ++key) {
      const std::byte* const row = ahead->rows[key];
      fetch_row(row + offset, bytes);
      fetch_row(row + v.offset, bytes);
    }
  }

  /// Scales, soft cap and bias of scores [n, kRows]; keeps those that are wanted.
  template <int kRows>
  HWY_INLINE void finish_scores(const DecodePanel<Listed>& panel, const GroupRows& rows, std::int64_t n) const {
    if constexpr (kFormat == RowFormat::kInt8 || kFormat == RowFormat::kInt4)
      multiply<kRows>(list.k_scales.data(), n, panel.scores);
    if (panel.terms != nullptr) finish_listed_scores<kRows>(*panel.terms, rows, list, panel.scores);
    if (kept == nullptr) return;
    for (std::size_t r = 0; r < kRows; ++r) {
      float* const to = (*kept)[r];
      if (to == nullptr) continue;
      for (std::int64_t j = 0; j < n; ++j)
        to[list.slots[static_cast<std::size_t>(j)]] = panel.scores[j * kRows + static_cast<std::int64_t>(r)];
    }
  }

  /// What a value is multiplied with: its weight and its scale.
  template <int kRows>
  HWY_INLINE void scale_weights(float* weights, std::int64_t n) const {
    if constexpr (kFormat == RowFormat::kInt8 || kFormat == RowFormat::kInt4) multiply<kRows>(list.v_scales.data(), n, weights);
  }

 private:
  template <int kRows>
  static HWY_INLINE void multiply(const float* scales, std::int64_t n, float* numbers) {
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t r = 0; r < kRows; ++r)
        numbers[j * kRows + r] *= scales[j];
    }
  }
};

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
