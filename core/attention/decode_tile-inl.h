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
#include <type_traits>
#include <utility>

#include "core/attention/decode_rows-inl.h"
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
    add_values();
  }

 private:
  /// Sums that the registers hold beside what is multiplied.
  static constexpr int kMostSums = kTileRows == 8 ? 16 : 8;
  /// Neighbouring vectors that are read together: 32 values, as int4 lies.
  static constexpr int kChunk = static_cast<int>(32 / kLanes);

  std::int64_t n_keys() const { return keys_.end - keys_.begin; }
  static std::int64_t rounded(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

  /// scores[key][row].
  void score() {
    constexpr std::int64_t kKeysAtOnce = std::min(8, kMostSums / kRows);
    for (std::int64_t j = 0; j < n_keys(); j += kKeysAtOnce)
      score_keys<kKeysAtOnce>(j);
    std::fill(panel_.scores + n_keys() * kRows, panel_.scores + rounded(n_keys() * kRows), kMinusInfinity);
  }

  /// One vector of one key's values times all rows.
  template <std::size_t kKey, typename Sums>
  HWY_INLINE void add_products(FloatVec values, std::int64_t c, Sums& sums) const {
    repeat<kRows>([&](auto r) HEADROOM_INLINED {
      const float* const q = rows_.q + static_cast<std::int64_t>(r()) * panel_.width + c;
      sums[kKey * kRows + r()] = hn::MulAdd(values, hn::Load(Floats(), q), sums[kKey * kRows + r()]);
    });
  }

  template <std::size_t kKeys>
  HWY_INLINE void score_keys(std::int64_t j) {
    const std::int64_t d_head = panel_.d_head;
    std::array<typename Memory::Row, kKeys> rows;
    std::array<FloatVec, kKeys * kRows> sums;
    panel_.k.template fetch<kKeys>(panel_.v, j);
    for (std::size_t key = 0; key < kKeys; ++key)
      rows[key] = panel_.k.row(keys_.begin + std::min(j + static_cast<std::int64_t>(key), n_keys() - 1));
    repeat<kKeys * kRows>([&](auto i) HEADROOM_INLINED { sums[i()] = hn::Zero(Floats()); });
    std::int64_t c = 0;
    for (; c + kChunk * kLanes <= d_head; c += kChunk * kLanes) {
      repeat<kKeys>([&](auto key) HEADROOM_INLINED {
        std::array<FloatVec, kChunk> values;
        panel_.k.load(rows[key()], c, values);
        repeat<kChunk>(
            [&](auto i) HEADROOM_INLINED { add_products<key()>(values[i()], c + static_cast<std::int64_t>(i()) * kLanes, sums); });
      });
    }
    for (; c + kLanes <= d_head; c += kLanes) {
      repeat<kKeys>([&](auto key) HEADROOM_INLINED {
        std::array<FloatVec, 1> values;
        panel_.k.load(rows[key()], c, values);
        add_products<key()>(values[0], c, sums);
      });
    }
    if (c < d_head) {
      repeat<kKeys>([&](auto key) HEADROOM_INLINED {
        const std::int64_t at = keys_.begin + std::min(j + static_cast<std::int64_t>(key()), n_keys() - 1);
        add_products<key()>(load_tail(panel_.k, at, c), c, sums);
      });
    }
    repeat<kKeys * kRows / 4>([&](auto i) HEADROOM_INLINED {
      constexpr std::size_t kAt = 4 * i();
      const auto four = sums_of(sums[kAt], sums[kAt + 1], sums[kAt + 2], sums[kAt + 3]);
      hn::StoreU(four, hn::Full128<float>(), panel_.scores + j * kRows + static_cast<std::int64_t>(kAt));
    });
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
    if constexpr (kRows == 1) return hn::MaxOfLanes(d, lanes);
    HWY_ALIGN std::array<float, 2 * kLanes> twice;
    for (std::int64_t step = kLanes / 2; step >= kRows; step /= 2) {
      hn::Store(lanes, d, twice.data());
      hn::Store(lanes, d, twice.data() + kLanes);
      lanes = hn::Max(lanes, hn::LoadU(d, twice.data() + step));
    }
    return lanes;
  }

  /// out = factor * out + the values times their weights: as many columns and rows at a time as the registers hold sums.
  void add_values() {
    constexpr int kAtOnce = std::min<int>(kRows, kMostSums / 4);
    std::int64_t c = 0;
    add_columns<kMostSums / kAtOnce, kAtOnce>(c);
    if (c < panel_.d_head) add_tail(c);
  }

  template <int kVectors, int kAtOnce>
  HWY_INLINE void add_columns(std::int64_t& c) {
    for (; c + kVectors * kLanes <= panel_.d_head; c += kVectors * kLanes) {
      for (std::size_t row = 0; row < kRows; row += kAtOnce)
        add_columns_of<kVectors, kAtOnce>(c, row);
    }
    if constexpr (kVectors > 1) add_columns<kVectors / 2, kAtOnce>(c);
  }

  /// Sums [turn, row, column] of add_columns_of. Where there are few, the keys take turns: a sum waits for the one before it.
  template <std::size_t kVectors, std::size_t kAtOnce>
  struct Sums {
    static constexpr std::size_t kTurns = std::max<std::size_t>(1, std::min<std::size_t>(4, 8 / (kVectors * kAtOnce)));
    static constexpr std::size_t kOfTurn = kVectors * kAtOnce;
    std::array<FloatVec, kTurns * kOfTurn> sums;
  };

  template <std::size_t kTurn, std::size_t kVectors, std::size_t kAtOnce>
  HWY_INLINE void add_values_of(std::int64_t j, std::int64_t c, std::size_t row, Sums<kVectors, kAtOnce>& to) const {
    std::array<FloatVec, kVectors> values;
    panel_.v.load(panel_.v.row(keys_.begin + j), c, values);
    const float* const weights = panel_.scores + j * kRows + static_cast<std::int64_t>(row);
    repeat<kAtOnce>([&](auto r) HEADROOM_INLINED {
      const FloatVec weight = hn::Set(Floats(), weights[r()]);
      repeat<kVectors>([&](auto i) HEADROOM_INLINED {
        constexpr std::size_t kAt = (kTurn * kAtOnce + r()) * kVectors + i();
        to.sums[kAt] = hn::MulAdd(weight, values[i()], to.sums[kAt]);
      });
    });
  }

  template <std::size_t kVectors, std::size_t kAtOnce>
  HWY_INLINE void add_columns_of(std::int64_t c, std::size_t row) {
    using Gathered = Sums<kVectors, kAtOnce>;
    const Floats d;
    Gathered to;
    repeat<Gathered::kOfTurn>([&](auto i) HEADROOM_INLINED {
      const std::size_t at = row + i() / kVectors;
      to.sums[i()] = hn::Mul(hn::Set(d, rows_.factor[at]), hn::Load(d, out_at(at, c, i() % kVectors)));
    });
    repeat<(Gathered::kTurns - 1) * Gathered::kOfTurn>([&](auto i)
                                                           HEADROOM_INLINED { to.sums[Gathered::kOfTurn + i()] = hn::Zero(d); });
    std::int64_t j = 0;
    constexpr auto kStep = static_cast<std::int64_t>(Gathered::kTurns);
    for (; j + kStep <= n_keys(); j += kStep)
      repeat<Gathered::kTurns>([&](auto turn)
                                   HEADROOM_INLINED { add_values_of<turn()>(j + static_cast<std::int64_t>(turn()), c, row, to); });
    for (; j < n_keys(); ++j)
      add_values_of<0>(j, c, row, to);
    repeat<Gathered::kOfTurn>([&](auto i) HEADROOM_INLINED {
      FloatVec sum = to.sums[i()];
      repeat<Gathered::kTurns - 1>([&](auto turn)
                                       HEADROOM_INLINED { sum = hn::Add(sum, to.sums[(turn() + 1) * Gathered::kOfTurn + i()]); });
      hn::Store(sum, d, out_at(row + i() / kVectors, c, i() % kVectors));
    });
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
