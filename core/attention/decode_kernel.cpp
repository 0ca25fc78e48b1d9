#include "core/attention/decode_kernel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/decode_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/attention/flash_rows-inl.h"
#include "core/attention/score_terms-inl.h"
#include "core/tensor/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using flash_detail::Call;
using flash_detail::HeadGroup;
using flash_detail::KeySegment;
using flash_detail::Stretch;

constexpr std::int64_t kMostRows = kLanes >= 4 ? std::min<std::int64_t>(8, kLanes) : 0;

std::int64_t MostRows() { return kMostRows; }

#if HWY_TARGET == HWY_SCALAR
std::size_t ScratchSize(const Call&) { return 0; }
void DecodeStretch(const Call&, const Stretch&, float*, float*) {}  // never called: MostRows() is 0
#else

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity(), kLog2e = 1.4426950408889634F;
/// Keys that a group works on before the next comes. Where a key's rows of all heads lie side by side, fewer: then each key has a page of its
/// own, and the nearest address table holds 64 to 96.
constexpr std::int64_t kTileKeys = 64, kInterleavedTileKeys = 16;
std::int64_t padded(std::int64_t d_head) { return (d_head + kLanes - 1) / kLanes * kLanes; }
/// Rows computed for so many real ones; the surplus repeats the last.
std::int64_t computed_rows(std::int64_t n_rows) { return n_rows <= 2 ? n_rows : n_rows <= 4 ? 4 : 8; }

std::size_t ScratchSize(const Call& call) {
  std::int64_t rows = 0;
  for (const HeadGroup& group : call.plan.groups())
    rows += computed_rows(call.config.seq_q * group.size());
  return static_cast<std::size_t>(2 * rows * padded(call.config.d_head) + kTileKeys * kMostRows + 2 * kLanes);
}

/// Rows of K or V in one of the storages, read as float32 vectors.
struct Wide {
  static constexpr KvStorage kStorage = KvStorage::kFloat32;
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
  const HeadGroup* group = nullptr;
  std::int64_t n_rows = 0;
  float* q = nullptr;    // [computed rows, width], scaled to base 2, zeros beyond d_head
  float* out = nullptr;  // [computed rows, width]
  // By lane: lane l of a vector of scores belongs to row l % computed rows.
  HWY_ALIGN std::array<float, kLanes> maximum, sum, factor;
  HWY_ALIGN std::array<std::int32_t, kLanes> position, bias_row;  // only where scores have a bias
};

/// What the tiles of a group read and write.
template <typename Memory>
struct TilePanel {
  const Memory &k, &v;
  std::int64_t d_head = 0, width = 0;
  float* scores = nullptr;            // [kTileKeys, rows]
  std::int64_t end = 0;               // of the keys that will be read
  const ScoreTerms* terms = nullptr;  // null: none
};

/// One group and one tile of keys, all of which every row sees.
template <typename Memory, int kRows>
class Tile {
 public:
  Tile(const TilePanel<Memory>& panel, KeyRange keys, GroupRows& rows) : panel_(panel), keys_(keys), rows_(rows) {}

  void run() {
    score();
    if (panel_.terms != nullptr) finish_scores();
    exponentiate();
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

  /// Soft cap and bias. Several keys share a vector.
  HWY_NOINLINE void finish_scores() {
    const Floats d;
    const Ints di;
    const ScoreTerms& terms = *panel_.terms;
    constexpr int kShift = kRows == 8 ? 3 : kRows == 4 ? 2 : kRows == 2 ? 1 : 0;
    HWY_ALIGN std::array<std::int32_t, kLanes> position;
    const IntVec key_of_lane = hn::ShiftRight<kShift>(hn::Iota(di, 0));
    for (std::int64_t at = 0; at < rounded(n_keys() * kRows); at += kLanes) {
      const std::int64_t first_key = keys_.begin + at / kRows;
      // A row that stands so much further back sees the vector's first key at the distance of its own.
      if (terms.bias != nullptr) hn::Store(hn::Sub(hn::Load(di, rows_.position.data()), key_of_lane), di, position.data());
      add_terms(terms, {position.data(), rows_.bias_row.data()}, 1, kLanes, panel_.scores + at,
                [&](std::int64_t) { return first_key; });
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
  void add_values() {
    std::int64_t c = 0;
    for (; c + 8 * kLanes <= panel_.d_head; c += 8 * kLanes)
      add_columns<8>(c);
    for (; c + 4 * kLanes <= panel_.d_head; c += 4 * kLanes)
      add_columns<4>(c);
    for (; c + kLanes <= panel_.d_head; c += kLanes)
      add_columns<1>(c);
    if (c < panel_.d_head) add_tail(c);
  }

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

  const TilePanel<Memory> panel_;
  const KeyRange keys_;
  GroupRows& rows_;
};

template <typename Memory>
class StretchRun {
 public:
  StretchRun(const Call& call, const Stretch& stretch, float* scratch)
      : call_(call), stretch_(stretch), d_head_(call.config.d_head), width_(padded(d_head_)) {
    scores_ = scratch;
    scratch += kTileKeys * kMostRows;
    terms_ = ScoreTerms(call.config, kLog2e);
    groups_.reserve(call.plan.groups().size());
    for (const HeadGroup& group : call.plan.groups()) {
      GroupRows& rows = groups_.emplace_back();
      rows.group = &group;
      rows.n_rows = call.config.seq_q * group.size();
      const std::int64_t n_floats = computed_rows(rows.n_rows) * width_;
      rows.q = scratch;
      rows.out = scratch + n_floats;
      scratch += 2 * n_floats;
      start(rows);
    }
  }

  void run(float* partial) {
    const KeyRange common = flash_detail::common_keys(call_.config, stretch_);
    end_ = common.end;
    // In the order of memory: where a head's rows follow each other, head by head; else all heads of some keys together.
    const bool is_head_major = memory_of(groups_.front()).first.stride == d_head_;
    const std::size_t n_together = is_head_major ? 1 : groups_.size();
    const std::int64_t tile_keys = is_head_major ? kTileKeys : kInterleavedTileKeys;
    for (std::size_t first = 0; first < groups_.size(); first += n_together) {
      for (std::int64_t begin = common.begin; begin < common.end; begin += tile_keys) {
        const KeyRange tile{begin, std::min(common.end, begin + tile_keys)};
        for (std::size_t g = first; g < first + n_together; ++g)
          add_tile(groups_[g], tile);
      }
    }
    for (std::int64_t key = stretch_.keys.begin; key < stretch_.keys.end; ++key) {
      if (key >= common.begin && key < common.end) continue;
      for (GroupRows& rows : groups_)
        add_key(rows, key);
    }
    for (const GroupRows& rows : groups_) {
      for (std::int64_t r = 0; r < rows.n_rows; ++r, partial += d_head_ + 2) {
        std::copy_n(rows.out + r * width_, d_head_, partial);
        partial[d_head_] = rows.maximum[static_cast<std::size_t>(r)];
        partial[d_head_ + 1] = 0;
        for (std::int64_t lane = r; lane < kLanes; lane += computed_rows(rows.n_rows)) {
          partial[d_head_ + 1] += rows.sum[static_cast<std::size_t>(lane)];
        }
      }
    }
  }

 private:
  void start(GroupRows& rows) const {
    const std::span<const std::int64_t> heads = call_.plan.heads(*rows.group);
    const auto factor = static_cast<float>(static_cast<double>(call_.config.effective_scale()) * 1.4426950408889634);
    const std::int64_t n_computed = computed_rows(rows.n_rows);
    std::fill_n(rows.q, 2 * n_computed * width_, 0.0F);
    for (std::int64_t r = 0; r < n_computed; ++r) {
      const std::int64_t row = std::min(r, rows.n_rows - 1), n_heads = rows.group->size();
      const float* const from = call_.inputs.q.row(stretch_.b, heads[static_cast<std::size_t>(row % n_heads)], row / n_heads);
      for (std::int64_t c = 0; c < d_head_; ++c)
        rows.q[r * width_ + c] = factor * from[c];
    }
    rows.maximum.fill(kMinusInfinity);
    rows.sum.fill(0);
    if (terms_.bias == nullptr) return;
    constexpr std::int64_t kFarthest = std::numeric_limits<std::int32_t>::max();
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const std::int64_t row = std::min(lane % n_computed, rows.n_rows - 1), n_heads = rows.group->size();
      const std::int64_t position = call_.config.mask.query_offset + row / n_heads;
      const std::int64_t head = heads[static_cast<std::size_t>(row % n_heads)];
      rows.position[static_cast<std::size_t>(lane)] = static_cast<std::int32_t>(std::min(position, kFarthest));
      rows.bias_row[static_cast<std::size_t>(lane)] = static_cast<std::int32_t>(head * (2 * terms_.reach + 1));
    }
  }

  std::pair<Memory, Memory> memory_of(const GroupRows& rows) const {
    const std::int64_t kv_head = rows.group->kv_head;
    if constexpr (Memory::kStorage == KvStorage::kFloat32) {
      const AttentionInputs& in = call_.inputs;
      return {{in.k.row(stretch_.b, kv_head, 0), in.k.row_stride}, {in.v.row(stretch_.b, kv_head, 0), in.v.row_stride}};
    } else {
      const AttentionInputs& in = call_.inputs;
      return {{in.k16.row(stretch_.b, kv_head, 0), in.k16.row_stride}, {in.v16.row(stretch_.b, kv_head, 0), in.v16.row_stride}};
    }
  }

  void add_tile(GroupRows& rows, KeyRange keys) {
    const auto [k, v] = memory_of(rows);
    const TilePanel<Memory> panel{k, v, d_head_, width_, scores_, end_, terms_.is_any() ? &terms_ : nullptr};
    switch (computed_rows(rows.n_rows)) {
      case 1:
        return Tile<Memory, 1>(panel, keys, rows).run();
      case 2:
        return Tile<Memory, 2>(panel, keys, rows).run();
      case 4:
        return Tile<Memory, 4>(panel, keys, rows).run();
      default:
        if constexpr (kMostRows == 8) Tile<Memory, 8>(panel, keys, rows).run();
    }
  }

  /// A key that only some queries see, as the last ones of a causal run: one row after another.
  void add_key(GroupRows& rows, std::int64_t key) const {
    const auto [k, v] = memory_of(rows);
    const KeySegment& segment = call_.plan.segments(call_.plan.set(call_.plan.items()[0]))[0];
    for (std::int64_t r = 0; r < rows.n_rows; ++r) {
      const KeyRange seen = rule_range(call_.config, segment, stretch_.b, r / rows.group->size());
      if (key < seen.begin || key >= seen.end) continue;
      const auto at = static_cast<std::size_t>(r);
      float score = 0;
      for (std::int64_t c = 0; c < d_head_; ++c)
        score += rows.q[r * width_ + c] * k.at(key, c);
      if (terms_.cap > 0) score = terms_.cap * std::tanh(score / terms_.cap);
      if (terms_.bias != nullptr) {
        const std::int64_t reach = terms_.reach, distance = std::clamp<std::int64_t>(key - rows.position[at], -reach, reach);
        score += terms_.unit * terms_.bias[rows.bias_row[at] + reach + distance];
      }
      const float old = rows.maximum[at], maximum = std::max(old, score);
      const float origin = maximum == kMinusInfinity ? 0 : maximum;
      const float factor = std::exp2(old - origin), p = std::exp2(score - origin);
      for (std::int64_t lane = r; lane < kLanes; lane += computed_rows(rows.n_rows)) {
        rows.maximum[static_cast<std::size_t>(lane)] = maximum;
        rows.sum[static_cast<std::size_t>(lane)] *= factor;
      }
      rows.sum[at] += p;
      for (std::int64_t c = 0; c < d_head_; ++c) {
        float& out = rows.out[r * width_ + c];
        out = out * factor + p * v.at(key, c);
      }
    }
  }

  const Call& call_;
  const Stretch& stretch_;
  std::int64_t d_head_, width_;
  std::vector<GroupRows> groups_;
  ScoreTerms terms_;
  float* scores_ = nullptr;
  std::int64_t end_ = 0;
};

void DecodeStretch(const Call& call, const Stretch& stretch, float* partial, float* scratch) {
  switch (call.config.kv_storage) {
    case KvStorage::kFloat32:
      return StretchRun<Wide>(call, stretch, scratch).run(partial);
    case KvStorage::kFloat16:
      return StretchRun<Narrow<hwy::float16_t, KvStorage::kFloat16> >(call, stretch, scratch).run(partial);
    case KvStorage::kBFloat16:
      return StretchRun<Narrow<hwy::bfloat16_t, KvStorage::kBFloat16> >(call, stretch, scratch).run(partial);
  }
}
#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(MostRows);
HWY_EXPORT(ScratchSize);
HWY_EXPORT(DecodeStretch);

namespace flash_detail {

std::int64_t most_decode_rows() { return HWY_DYNAMIC_DISPATCH(MostRows)(); }
std::size_t decode_scratch_size(const Call& call) { return HWY_DYNAMIC_DISPATCH(ScratchSize)(call); }
void decode_stretch(const Call& call, const Stretch& stretch, std::span<float> partial, std::span<float> scratch) {
  HWY_DYNAMIC_DISPATCH(DecodeStretch)(call, stretch, partial.data(), scratch.data());
}

}  // namespace flash_detail
}  // namespace headroom
#endif
