// Few rows against a tile of keys, as when tokens are generated from a cache. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_DECODE_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_DECODE_TILE_INL_H_
#undef HEADROOM_CORE_ATTENTION_DECODE_TILE_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_DECODE_TILE_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "core/attention/flash_plan.h"
#include "core/attention/flash_rows-inl.h"
#include "core/attention/score_terms-inl.h"
#include "core/tensor/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {  // one file includes it: the compiler may inline what is called once

#if HWY_TARGET != HWY_SCALAR

constexpr std::int64_t kMostRows = kLanes >= 4 ? std::min<std::int64_t>(8, kLanes) : 0;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
/// Keys that a group works on before the next comes.
constexpr std::int64_t kTileKeys = 64;
constexpr float kLog2e = 1.4426950408889634F;
inline std::int64_t padded(std::int64_t d_head) { return (d_head + kLanes - 1) / kLanes * kLanes; }
/// Rows computed for so many real ones; the surplus repeats the last.
inline std::int64_t computed_rows(std::int64_t n_rows) { return n_rows <= 2 ? n_rows : n_rows <= 4 ? 4 : 8; }

/// Rows of K or V in one of the storages, read as float32 vectors.
struct Wide {
  static constexpr KvStorage kStorage = KvStorage::kFloat32;
  static constexpr bool kIsListed = false;  ///< do its keys lie side by side, or each somewhere else (see cached_tile-inl.h)?
  const float* first;
  std::int64_t stride;
  FloatVec load(std::int64_t key, std::int64_t c) const { return hn::LoadU(Floats(), first + key * stride + c); }
  float at(std::int64_t key, std::int64_t c) const { return first[key * stride + c]; }
  void fetch(std::int64_t key, std::int64_t d_head) const { fetch_row(first + key * stride, d_head * 4); }
  static void fetch_row(const void* row, std::int64_t bytes) {
    for (std::int64_t at = 0; at < bytes; at += 64)
      __builtin_prefetch(static_cast<const char*>(row) + at, 0, 2);  // into the second-level cache
  }
};
template <typename Number, KvStorage kKind>
struct Narrow {
  static constexpr KvStorage kStorage = kKind;
  static constexpr bool kIsListed = false;
  const std::uint16_t* first;
  std::int64_t stride;
  FloatVec load(std::int64_t key, std::int64_t c) const {
    const hn::Rebind<Number, Floats> narrow;
    return hn::PromoteTo(Floats(), hn::LoadU(narrow, reinterpret_cast<const Number*>(first + key * stride + c)));
  }
  float at(std::int64_t key, std::int64_t c) const {
    const std::uint16_t bits = first[key * stride + c];
    return kKind == KvStorage::kFloat16 ? from_float16(bits) : from_bfloat16(bits);
  }
  void fetch(std::int64_t key, std::int64_t d_head) const { Wide::fetch_row(first + key * stride, d_head * 2); }
};

/// The sums of four vectors.
HWY_INLINE hn::Vec<hn::Full128<float> > sums_of(FloatVec a, FloatVec b, FloatVec c, FloatVec e) {
  transpose_blocks(a, b, c, e);
  const auto fold = [](auto self, auto d, auto v) HWY_ATTR {
    if constexpr (hn::MaxLanes(d) <= 4) {
      return v;
    } else {
      const hn::Half<decltype(d)> half;
      return self(self, half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
    }
  };
  return fold(fold, Floats(), hn::Add(hn::Add(a, b), hn::Add(c, e)));
}

/// The rows of one group and what they have gathered.
struct GroupRows {
  const flash_detail::HeadGroup* group = nullptr;
  std::int64_t n_rows = 0;
  float* q = nullptr;    // [computed rows, width], scaled to base 2, zeros beyond d_head
  float* out = nullptr;  // [computed rows, width]
  // By lane: lane l of a vector of scores belongs to row l % computed rows.
  HWY_ALIGN std::array<float, kLanes> maximum, sum, factor;
  HWY_ALIGN std::array<std::int32_t, kLanes> position, bias_row;  // only where scores have a bias
};

/// What the tiles of a group read and write.
template <typename Memory>
struct DecodePanel {
  const Memory &k, &v;
  std::int64_t d_head = 0, width = 0;
  float* scores = nullptr;            // [kTileKeys, rows]
  std::int64_t end = 0;               // of the keys that will be read
  const ScoreTerms* terms = nullptr;  // null: none
};

/// Soft cap and bias of scores [keys, kRows], of which several keys share a vector. No member of the tile's: the compiler keeps the tile in
/// registers.
template <int kRows>
HWY_NOINLINE void finish_scores(const ScoreTerms& terms, const GroupRows& rows, KeyRange keys, float* scores) {
  const Ints di;
  constexpr int kShift = kRows == 8 ? 3 : kRows == 4 ? 2 : kRows == 2 ? 1 : 0;
  HWY_ALIGN std::array<std::int32_t, kLanes> position{};
  const IntVec key_of_lane = hn::ShiftRight<kShift>(hn::Iota(di, 0));
  const std::int64_t n = (keys.end - keys.begin) * kRows, n_computed = (n + kLanes - 1) / kLanes * kLanes;
  // A row that stands so much further back sees the vector's first key at the distance of its own.
  if (terms.bias != nullptr) hn::Store(hn::Sub(hn::Load(di, rows.position.data()), key_of_lane), di, position.data());
  for (std::int64_t at = 0; at < n_computed; at += kLanes) {
    const std::int64_t first_key = keys.begin + at / kRows;
    add_terms(terms, {position.data(), rows.bias_row.data()}, 1, kLanes, scores + at, [&](std::int64_t) { return first_key; });
  }
  std::fill(scores + n, scores + n_computed, kMinusInfinity);
}

/// One group and one tile of keys, all of which every row sees.
template <typename Memory, int kRows>
class DecodeTile {
 public:
  DecodeTile(const DecodePanel<Memory>& panel, KeyRange keys, GroupRows& rows) : panel_(panel), keys_(keys), rows_(rows) {}

  void run() {
    score();
    if constexpr (Memory::kIsListed) {
      panel_.k.template finish_scores<kRows>(panel_, rows_, n_keys());
    } else if (panel_.terms != nullptr) {
      finish_scores<kRows>(*panel_.terms, rows_, keys_, panel_.scores);
    }
    exponentiate();
    if constexpr (Memory::kIsListed) panel_.v.template scale_weights<kRows>(panel_.scores, n_keys());
    constexpr int kVectors = kRows == 8 ? 2 : kRows == 4 ? 4 : 8;
    std::int64_t c = 0;
    for (; c + kVectors * kLanes <= panel_.d_head; c += kVectors * kLanes)
      add_columns<kVectors>(c);
    for (; c + kLanes <= panel_.d_head; c += kLanes)
      add_columns<1>(c);
    if (c < panel_.d_head) add_tail(c);
  }

 private:
  std::int64_t n_keys() const { return keys_.end - keys_.begin; }
  static std::int64_t rounded(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

  /// scores[key][row]. Memory is read strictly in its order, so that the processor reads ahead by itself.
  void score() {
    const std::int64_t whole = panel_.d_head / kLanes * kLanes;
    constexpr std::int64_t kKeysAtOnce = kRows >= 4 ? 1 : 4 / kRows;  // four sums at least
    for (std::int64_t j = 0; j < n_keys(); j += kKeysAtOnce) {
      const auto sums_of_key = [&](std::int64_t i) HWY_ATTR {
        const std::int64_t key = keys_.begin + std::min(j + i, n_keys() - 1);
        fetch(j + i);
        RowSums sums;
        sums.clear();
        for (std::int64_t c = 0; c < whole; c += kLanes)
          sums.add(panel_.k.load(key, c), rows_.q + c, panel_.width);
        if (whole < panel_.d_head) sums.add(load_tail(panel_.k, key, whole), rows_.q + whole, panel_.width);
        return sums;
      };
      const RowSums a = sums_of_key(0);
      float* const to = panel_.scores + j * kRows;
      if constexpr (kRows == 1) {
        const RowSums b = sums_of_key(1), c = sums_of_key(2), e = sums_of_key(3);
        store_sums(a.s0, b.s0, c.s0, e.s0, to);
      } else if constexpr (kRows == 2) {
        const RowSums b = sums_of_key(1);
        store_sums(a.s0, a.s1, b.s0, b.s1, to);
      } else {
        store_sums(a.s0, a.s1, a.s2, a.s3, to);
        if constexpr (kRows > 4) store_sums(a.s4, a.s5, a.s6, a.s7, to + 4);
      }
    }
    std::fill(panel_.scores + n_keys() * kRows, panel_.scores + rounded(n_keys() * kRows), kMinusInfinity);
  }

  /// One key's products with each row, not yet summed over the lanes. Named members: the compiler keeps them in registers.
  struct RowSums {
    FloatVec s0, s1, s2, s3, s4, s5, s6, s7;

    HWY_INLINE void clear() { s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = hn::Zero(Floats()); }
    HWY_INLINE void add(FloatVec values, const float* q, std::int64_t width) {
      const Floats d;
      s0 = hn::MulAdd(values, hn::Load(d, q), s0);
      if constexpr (kRows > 1) s1 = hn::MulAdd(values, hn::Load(d, q + width), s1);
      if constexpr (kRows > 2) s2 = hn::MulAdd(values, hn::Load(d, q + 2 * width), s2);
      if constexpr (kRows > 2) s3 = hn::MulAdd(values, hn::Load(d, q + 3 * width), s3);
      if constexpr (kRows > 4) {
        s4 = hn::MulAdd(values, hn::Load(d, q + 4 * width), s4);
        s5 = hn::MulAdd(values, hn::Load(d, q + 5 * width), s5);
        s6 = hn::MulAdd(values, hn::Load(d, q + 6 * width), s6);
        s7 = hn::MulAdd(values, hn::Load(d, q + 7 * width), s7);
      }
    }
  };

  static HWY_INLINE void store_sums(FloatVec a, FloatVec b, FloatVec c, FloatVec e, float* to) {
    hn::StoreU(sums_of(a, b, c, e), hn::Full128<float>(), to);
  }

  /// Asks for what this group reads of the next tile.
  HWY_INLINE void fetch(std::int64_t j) const {
    const std::int64_t ahead = keys_.end + j;
    if (ahead >= panel_.end) return;
    panel_.k.fetch(ahead, panel_.d_head);
    panel_.v.fetch(ahead, panel_.d_head);
  }

  FloatVec load_tail(const Memory& memory, std::int64_t key, std::int64_t from) const {
    HWY_ALIGN std::array<float, kLanes> tail{};
    for (std::int64_t c = from; c < panel_.d_head; ++c)
      tail[static_cast<std::size_t>(c - from)] = memory.at(key, c);
    return hn::Load(Floats(), tail.data());
  }

  void exponentiate() {
    const Floats d;
    const std::int64_t n = rounded(n_keys() * kRows);
    const FloatVec old = hn::Load(d, rows_.maximum.data());
    FloatVec maximum = old;
    for (std::int64_t at = 0; at < n; at += kLanes)
      maximum = hn::Max(maximum, hn::Load(d, panel_.scores + at));
    maximum = over_rows(maximum);
    // A row whose scores are all -inf has that maximum too; -inf - -inf would be NaN.
    const FloatVec origin = hn::IfThenZeroElse(hn::Eq(maximum, hn::Set(d, kMinusInfinity)), maximum);
    const FloatVec factor = exp2_non_positive(d, hn::Sub(old, origin));
    FloatVec sum = hn::Mul(hn::Load(d, rows_.sum.data()), factor);
    for (std::int64_t at = 0; at < n; at += kLanes) {
      const FloatVec p = exp2_non_positive(d, hn::Sub(hn::Load(d, panel_.scores + at), origin));
      hn::Store(p, d, panel_.scores + at);
      sum = hn::Add(sum, p);
    }
    hn::Store(maximum, d, rows_.maximum.data());
    hn::Store(sum, d, rows_.sum.data());
    hn::Store(factor, d, rows_.factor.data());
  }

  /// The largest of all lanes of the same row, in each of them.
  static FloatVec over_rows(FloatVec lanes) {
    const Floats d;
    HWY_ALIGN std::array<float, 2 * kLanes> twice;
    for (std::int64_t step = kLanes / 2; step >= kRows; step /= 2) {
      hn::Store(lanes, d, twice.data());
      hn::Store(lanes, d, twice.data() + kLanes);
      lanes = hn::Max(lanes, hn::LoadU(d, twice.data() + step));
    }
    return lanes;
  }

  /// Whole rows of values for two rows of out at a time: the first time they are read in the order of memory.
  template <int kVectors>
  HWY_INLINE void add_columns(std::int64_t c) {
    constexpr std::size_t kAtOnce = std::min(kRows, 2);
    for (std::size_t row = 0; row < kRows; row += kAtOnce)
      add_columns_of<kVectors, kAtOnce>(c, row);
  }

  template <int kVectors, std::size_t kAtOnce>
  HWY_INLINE void add_columns_of(std::int64_t c, std::size_t row) {
    const Floats d;
    std::array<std::array<FloatVec, kVectors>, kAtOnce> sums;
    for (std::size_t r = 0; r < kAtOnce; ++r) {
      const FloatVec factor = hn::Set(d, rows_.factor[row + r]);
      for (std::size_t i = 0; i < kVectors; ++i)
        sums[r][i] = hn::Mul(factor, hn::Load(d, out_at(row + r, c, i)));
    }
    const float* p = panel_.scores + row;
    for (std::int64_t key = keys_.begin; key < keys_.end; ++key, p += kRows) {
      for (std::size_t i = 0; i < kVectors; ++i) {
        const FloatVec values = panel_.v.load(key, c + static_cast<std::int64_t>(i) * kLanes);
        for (std::size_t r = 0; r < kAtOnce; ++r)
          sums[r][i] = hn::MulAdd(hn::Set(d, p[r]), values, sums[r][i]);
      }
    }
    for (std::size_t r = 0; r < kAtOnce; ++r) {
      for (std::size_t i = 0; i < kVectors; ++i)
        hn::Store(sums[r][i], d, out_at(row + r, c, i));
    }
  }

  void add_tail(std::int64_t c) {
    const Floats d;
    for (std::size_t r = 0; r < kRows; ++r) {
      FloatVec sum = hn::Mul(hn::Set(d, rows_.factor[r]), hn::Load(d, out_at(r, c, 0)));
      for (std::int64_t j = 0; j < n_keys(); ++j) {
        const FloatVec p = hn::Set(d, panel_.scores[j * kRows + static_cast<std::int64_t>(r)]);
        sum = hn::MulAdd(p, load_tail(panel_.v, keys_.begin + j, c), sum);
      }
      hn::Store(sum, d, out_at(r, c, 0));
    }
  }

  float* out_at(std::size_t r, std::int64_t c, std::size_t i) const {
    return rows_.out + static_cast<std::int64_t>(r) * panel_.width + c + static_cast<std::int64_t>(i) * kLanes;
  }

  const DecodePanel<Memory> panel_;
  const KeyRange keys_;
  GroupRows& rows_;
};

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
