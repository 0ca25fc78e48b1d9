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

#include "core/attention/decode_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using flash_detail::Call;
using flash_detail::HeadGroup;
using flash_detail::KeySegment;
using flash_detail::Stretch;

#if HWY_TARGET == HWY_SCALAR
std::int64_t MostRows() { return 0; }
std::size_t ScratchSize(const Call&) { return 0; }
void DecodeStretch(const Call&, const Stretch&, float*, float*) {}  // never called: MostRows() is 0
#else
std::int64_t MostRows() { return kMostRows; }

/// Keys of a tile where a key's rows of all heads lie side by side: then each key has a page of its own, and the nearest address table holds
/// 64 to 96.
constexpr std::int64_t kInterleavedTileKeys = 16;

std::size_t ScratchSize(const Call& call) {
  std::int64_t rows = 0;
  for (const HeadGroup& group : call.plan.groups())
    rows += computed_rows(call.config.seq_q * group.size());
  return static_cast<std::size_t>(2 * rows * padded(call.config.d_head) + kTileKeys * kMostRows + 2 * kLanes);
}

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
    auto [k, v] = memory_of(rows);
    k.ahead = {keys.end, end_, static_cast<std::int64_t>(sizeof(*k.first)) * d_head_};
    const DecodePanel<Memory> panel{k, v, d_head_, width_, scores_, terms_.is_any() ? &terms_ : nullptr};
    switch (computed_rows(rows.n_rows)) {
      case 1:
        return DecodeTile<Memory, 1>(panel, keys, rows).run();
      case 2:
        return DecodeTile<Memory, 2>(panel, keys, rows).run();
      case 4:
        return DecodeTile<Memory, 4>(panel, keys, rows).run();
      default:
        if constexpr (kMostRows == 8) DecodeTile<Memory, 8>(panel, keys, rows).run();
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
      return StretchRun<Narrow<product::Float16, KvStorage::kFloat16> >(call, stretch, scratch).run(partial);
    case KvStorage::kBFloat16:
      return StretchRun<Narrow<product::BFloat16, KvStorage::kBFloat16> >(call, stretch, scratch).run(partial);
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
