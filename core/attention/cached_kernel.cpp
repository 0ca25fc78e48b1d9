#include "core/attention/cached_kernel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/cached_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/attention/cached_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using cached_detail::CachedItem;
using cached_detail::CachedTask;
using flash_detail::HeadGroup;

#if HWY_TARGET == HWY_SCALAR
bool HasCachedKernel() { return false; }
std::size_t CachedScratchSize(const CachedTask&, std::int64_t) { return 0; }
void RunCachedItem(const CachedTask&, const CachedItem&, float*, float*, AttentionWork&) {}  // never called
void FinishProbs(float*, std::size_t, float) {}
#else
bool HasCachedKernel() { return true; }

static_assert(kTileKeys == cached_detail::kTileSlots);

/// Rows of a group are cut into blocks of kMostRows.
std::int64_t n_blocks(std::int64_t n_rows) { return (n_rows + kMostRows - 1) / kMostRows; }

std::size_t CachedScratchSize(const CachedTask& task, std::int64_t n_queries) {
  std::int64_t rows = 0;
  for (const HeadGroup& group : task.groups)
    rows += n_blocks(n_queries * group.size()) * kMostRows;
  return static_cast<std::size_t>(2 * rows * padded(task.call.config.d_head) + kTileKeys * kMostRows + 2 * kLanes);
}

/// At most kMostRows rows of a group that work on a tile together.
struct Block {
  GroupRows rows;
  std::int64_t first_row = 0;  ///< of the item's rows of the group
  KeptScores kept{};
  bool keeps = false;
};

/// A tile of slots of one K/V head, and which of them the item's queries see.
struct Unit {
  std::size_t group = 0;
  KeyRange slots;
  std::vector<std::uint64_t> seen;  ///< one word a query
  std::uint64_t any = 0;
  RowList list;
};

template <RowFormat kFormat>
class CachedRun {
 public:
  CachedRun(const CachedTask& task, const CachedItem& item, float* scratch)
      : task_(task),
        call_(task.call),
        item_(item),
        d_head_(call_.config.d_head),
        width_(padded(d_head_)),
        terms_(call_.config, kLog2e) {
    scores_ = scratch;
    scratch += kTileKeys * kMostRows;
    for (const HeadGroup& group : task.groups) {
      first_block_.push_back(blocks_.size());
      const std::int64_t n_rows = n_queries() * group.size();
      for (std::int64_t first = 0; first < n_rows; first += kMostRows) {
        Block& block = blocks_.emplace_back();
        block.first_row = first;
        block.rows.group = &group;
        block.rows.n_rows = std::min(kMostRows, n_rows - first);
        const std::int64_t n_floats = computed_rows(block.rows.n_rows) * width_;
        block.rows.q = scratch;
        block.rows.out = scratch + n_floats;
        scratch += 2 * n_floats;
        start(block);
      }
    }
    first_block_.push_back(blocks_.size());
  }

  void run(float* partial, AttentionWork& work) {
    std::array<Unit, 2> units;
    for (Unit& unit : units)
      unit.seen.resize(static_cast<std::size_t>(n_queries()));
    std::size_t turn = 0;
    bool is_more = next(units[0]);
    while (is_more) {
      Unit& unit = units[turn];
      turn = 1 - turn;
      is_more = next(units[turn]);
      read_scales(unit);
      process(unit, is_more ? &units[turn].list : nullptr);
      bytes_read_ += 2 * std::popcount(unit.any) * call_.pages.layout.row.total();
    }
    work.flops += 4 * static_cast<double>(n_pairs_) * static_cast<double>(d_head_);
    work.bytes_moved += static_cast<double>(bytes_read_);
    for (const Block& block : blocks_)
      partial = finish(block.rows, partial);
  }

 private:
  std::int64_t n_queries() const { return item_.queries.end - item_.queries.begin; }
  std::int64_t query_of(const Block& block, std::int64_t r) const { return (block.first_row + r) / block.rows.group->size(); }

  void start(Block& block) {
    GroupRows& rows = block.rows;
    const AttentionConfig& config = call_.config;
    const std::span<const std::int64_t> heads =
        task_.heads.subspan(rows.group->begin, static_cast<std::size_t>(rows.group->size()));
    const auto factor = static_cast<float>(static_cast<double>(config.effective_scale()) * 1.4426950408889634);
    const std::int64_t n_computed = computed_rows(rows.n_rows);
    std::fill_n(rows.q, 2 * n_computed * width_, 0.0F);
    rows.maximum.fill(kMinusInfinity);
    rows.sum.fill(0);
    for (std::int64_t r = 0; r < n_computed; ++r) {
      const std::int64_t row = std::min(r, rows.n_rows - 1), query = item_.queries.begin + query_of(block, row);
      const std::int64_t head = heads[static_cast<std::size_t>((block.first_row + row) % rows.group->size())];
      const float* const from = call_.q.row(0, head, query);
      for (std::int64_t c = 0; c < d_head_; ++c)
        rows.q[r * width_ + c] = factor * from[c];
      if (!call_.outputs.probs.empty() && r == row && query + 1 == config.seq_q) {
        block.kept[static_cast<std::size_t>(r)] = call_.outputs.probs.data() + head * call_.pages.n_rows;
        block.keeps = true;
      }
    }
    if (terms_.bias == nullptr) return;
    constexpr std::int64_t kFarthest = std::numeric_limits<std::int32_t>::max();
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const std::int64_t row = std::min(lane % n_computed, rows.n_rows - 1);
      const std::int64_t head = heads[static_cast<std::size_t>((block.first_row + row) % rows.group->size())];
      const std::int64_t position = config.mask.query_offset + item_.queries.begin + query_of(block, row);
      rows.position[static_cast<std::size_t>(lane)] = static_cast<std::int32_t>(std::min(position, kFarthest));
      rows.bias_row[static_cast<std::size_t>(lane)] = static_cast<std::int32_t>(head * (2 * terms_.reach + 1));
    }
  }

  /// The next tile and head of which anything is seen. In the order of memory: where a head's rows fill some of it without a break, head by
  /// head; else all heads of some slots together.
  bool next(Unit& unit) {
    const PageLayout& layout = call_.pages.layout;
    constexpr std::int64_t kLongRun = 4096;
    const bool is_head_major = layout.page_rows * layout.row.values >= kLongRun || n_queries() > 1;
    const std::int64_t n_tiles = (item_.slots.end - item_.slots.begin + kTileKeys - 1) / kTileKeys;
    const auto n_groups = static_cast<std::int64_t>(task_.groups.size());
    while (next_unit_ < n_tiles * n_groups) {
      const std::int64_t at = next_unit_++;
      const std::int64_t tile = is_head_major ? at % n_tiles : at / n_groups;
      unit.group = static_cast<std::size_t>(is_head_major ? at / n_tiles : at % n_groups);
      unit.slots.begin = item_.slots.begin + tile * kTileKeys;
      unit.slots.end = std::min(item_.slots.end, unit.slots.begin + kTileKeys);
      unit.any = 0;
      const std::int64_t kv_head = task_.groups[unit.group].kv_head;
      for (std::size_t query = 0; query < unit.seen.size(); ++query) {
        unit.seen[query] = visible_slots(call_, kv_head, item_.queries.begin + static_cast<std::int64_t>(query), unit.slots);
        unit.any |= unit.seen[query];
      }
      if (unit.any == 0) continue;
      find_rows(unit);
      return true;
    }
    return false;
  }

  /// Calls body(page's part, row in it, slot in the tile, rows) for each page that the unit's slots lie in.
  template <typename Body>
  void for_each_run(const Unit& unit, const Body& body) const {
    const std::int64_t page_rows = call_.pages.layout.page_rows;
    std::int64_t page = unit.slots.begin / page_rows, page_row = unit.slots.begin % page_rows;
    for (std::int64_t slot = unit.slots.begin; slot < unit.slots.end; ++page, page_row = 0) {
      const std::int64_t n = std::min(unit.slots.end - slot, page_rows - page_row);
      body(call_.pages.pages[static_cast<std::size_t>(page)], page_row, slot - unit.slots.begin, n);
      slot += n;
    }
  }

  void find_rows(Unit& unit) const {
    const PageLayout& layout = call_.pages.layout;
    const std::int64_t kv_head = task_.groups[unit.group].kv_head;
    unit.list.n = unit.slots.end - unit.slots.begin;
    for_each_run(unit, [&](const std::byte* part, std::int64_t page_row, std::int64_t first, std::int64_t n) {
      const std::byte* const values = part + layout.values_at(kv_head, page_row);
      for (std::int64_t i = 0; i < n; ++i)
        unit.list.rows[static_cast<std::size_t>(first + i)] = values + i * layout.row.values;
      if constexpr (kIsScaled) {
        const std::int64_t at = layout.scale_at(kv_head, page_row);
        Wide::fetch_row(part + layout.k_scales + at, 4 * n);
        Wide::fetch_row(part + layout.v_scales + at, 4 * n);
      }
    });
    if (terms_.bias != nullptr) {
      for (std::int64_t i = 0; i < unit.list.n; ++i) {
        const std::int64_t position = cached_detail::position_of(call_.pages, kv_head, unit.slots.begin + i);
        unit.list.positions[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(position);
      }
    }
    if (call_.outputs.probs.empty()) return;
    for (std::int64_t i = 0; i < unit.list.n; ++i)
      unit.list.slots[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(unit.slots.begin + i);
  }

  /// Later than find_rows: by now they are near.
  void read_scales(Unit& unit) const {
    if constexpr (!kIsScaled) return;
    const PageLayout& layout = call_.pages.layout;
    const std::int64_t kv_head = task_.groups[unit.group].kv_head;
    for_each_run(unit, [&](const std::byte* part, std::int64_t page_row, std::int64_t first, std::int64_t n) {
      const std::int64_t at = layout.scale_at(kv_head, page_row);
      const auto bytes = static_cast<std::size_t>(4 * n);
      std::memcpy(unit.list.k_scales.data() + first, part + layout.k_scales + at, bytes);
      std::memcpy(unit.list.v_scales.data() + first, part + layout.v_scales + at, bytes);
    });
  }

  void process(const Unit& unit, const RowList* ahead) {
    const std::uint64_t all = unit.list.n == kTileKeys ? ~std::uint64_t{0} : (std::uint64_t{1} << unit.list.n) - 1;
    for (std::size_t b = first_block_[unit.group]; b < first_block_[unit.group + 1]; ++b) {
      Block& block = blocks_[b];
      std::uint64_t common = all;
      for (std::int64_t r = 0; r < block.rows.n_rows; ++r) {
        const std::uint64_t seen = unit.seen[static_cast<std::size_t>(query_of(block, r))];
        common &= seen;
        n_pairs_ += std::popcount(seen);
      }
      if (common == all) {
        add_tile(block.rows, unit.list, ahead, block.keeps ? &block.kept : nullptr);
        ahead = nullptr;  // asked for already
      } else if (common != 0) {
        pick(unit.list, common);
        add_tile(block.rows, picked_, ahead, block.keeps ? &block.kept : nullptr);
      }
      for (std::int64_t r = 0; r < block.rows.n_rows && common != all; ++r) {
        const std::uint64_t own = unit.seen[static_cast<std::size_t>(query_of(block, r))] & ~common;
        if (own == 0) continue;
        pick(unit.list, own);
        add_own(block, r);
      }
    }
  }

  void pick(const RowList& from, std::uint64_t which) {
    picked_.n = 0;
    for (std::uint64_t rest = which; rest != 0; rest &= rest - 1) {
      const auto at = static_cast<std::size_t>(std::countr_zero(rest)), to = static_cast<std::size_t>(picked_.n++);
      picked_.rows[to] = from.rows[at];
      picked_.k_scales[to] = from.k_scales[at];
      picked_.v_scales[to] = from.v_scales[at];
      picked_.positions[to] = from.positions[at];
      picked_.slots[to] = from.slots[at];
    }
  }

  void add_tile(GroupRows& rows, const RowList& list, const RowList* ahead, const KeptScores* kept) {
    const Listed<kFormat> k{list, ahead, 0, d_head_, kept}, v{list, ahead, call_.pages.layout.v_values, d_head_, kept};
    const std::int64_t end = list.n + (ahead == nullptr ? 0 : ahead->n);
    const DecodePanel<Listed<kFormat> > panel{k, v, d_head_, width_, scores_, end, terms_.is_any() ? &terms_ : nullptr};
    switch (computed_rows(rows.n_rows)) {
      case 1:
        return DecodeTile<Listed<kFormat>, 1>(panel, {0, list.n}, rows).run();
      case 2:
        return DecodeTile<Listed<kFormat>, 2>(panel, {0, list.n}, rows).run();
      case 4:
        return DecodeTile<Listed<kFormat>, 4>(panel, {0, list.n}, rows).run();
      default:
        if constexpr (kMostRows == 8) DecodeTile<Listed<kFormat>, 8>(panel, {0, list.n}, rows).run();
    }
  }

  /// What only one row of the block sees, in picked_.
  void add_own(Block& block, std::int64_t r) {
    GroupRows& rows = block.rows;
    const std::int64_t step = computed_rows(rows.n_rows);
    GroupRows one;
    one.group = rows.group;
    one.n_rows = 1;
    one.q = rows.q + r * width_;
    one.out = rows.out + r * width_;
    one.maximum.fill(rows.maximum[static_cast<std::size_t>(r)]);
    one.sum.fill(0);
    one.position.fill(rows.position[static_cast<std::size_t>(r)]);
    one.bias_row.fill(rows.bias_row[static_cast<std::size_t>(r)]);
    for (std::int64_t lane = r; lane < kLanes; lane += step)
      one.sum[static_cast<std::size_t>(lane)] = rows.sum[static_cast<std::size_t>(lane)];
    KeptScores kept{block.kept[static_cast<std::size_t>(r)]};
    add_tile(one, picked_, nullptr, kept[0] == nullptr ? nullptr : &kept);
    for (std::int64_t lane = r; lane < kLanes; lane += step) {
      rows.maximum[static_cast<std::size_t>(lane)] = one.maximum[0];
      rows.sum[static_cast<std::size_t>(lane)] = 0;
    }
    for (const float sum : one.sum)
      rows.sum[static_cast<std::size_t>(r)] += sum;
  }

  float* finish(const GroupRows& rows, float* partial) const {
    for (std::int64_t r = 0; r < rows.n_rows; ++r, partial += d_head_ + 2) {
      std::copy_n(rows.out + r * width_, d_head_, partial);
      partial[d_head_] = rows.maximum[static_cast<std::size_t>(r)];
      partial[d_head_ + 1] = 0;
      for (std::int64_t lane = r; lane < kLanes; lane += computed_rows(rows.n_rows))
        partial[d_head_ + 1] += rows.sum[static_cast<std::size_t>(lane)];
    }
    return partial;
  }

  static constexpr bool kIsScaled = kFormat == RowFormat::kInt8 || kFormat == RowFormat::kInt4;

  const CachedTask& task_;
  const cached_detail::CachedCall& call_;
  const CachedItem& item_;
  std::int64_t d_head_, width_;
  ScoreTerms terms_;
  std::vector<Block> blocks_;
  std::vector<std::size_t> first_block_;  // of each group, and the end
  float* scores_ = nullptr;
  RowList picked_;
  std::int64_t next_unit_ = 0, n_pairs_ = 0, bytes_read_ = 0;
};

void RunCachedItem(const CachedTask& task, const CachedItem& item, float* partial, float* scratch, AttentionWork& work) {
  switch (task.call.pages.layout.format) {
    case RowFormat::kFloat32:
      return CachedRun<RowFormat::kFloat32>(task, item, scratch).run(partial, work);
    case RowFormat::kFloat16:
      return CachedRun<RowFormat::kFloat16>(task, item, scratch).run(partial, work);
    case RowFormat::kBFloat16:
      return CachedRun<RowFormat::kBFloat16>(task, item, scratch).run(partial, work);
    case RowFormat::kInt8:
      return CachedRun<RowFormat::kInt8>(task, item, scratch).run(partial, work);
    case RowFormat::kInt4:
      return CachedRun<RowFormat::kInt4>(task, item, scratch).run(partial, work);
  }
}

void FinishProbs(float* scores, std::size_t n, float log2_sum) {
  const Floats d;
  const FloatVec sum = hn::Set(d, log2_sum), hidden = hn::Set(d, kMinusInfinity);
  const auto prob = [&](FloatVec score)
                        HWY_ATTR { return hn::IfThenZeroElse(hn::Eq(score, hidden), exp2_non_positive(d, hn::Sub(score, sum))); };
  const auto lanes = static_cast<std::size_t>(kLanes);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(prob(hn::LoadU(d, scores + i)), d, scores + i);
  if (i == n) return;
  HWY_ALIGN std::array<float, static_cast<std::size_t>(kLanes)> tail{};
  std::copy_n(scores + i, n - i, tail.data());
  hn::Store(prob(hn::Load(d, tail.data())), d, tail.data());
  std::copy_n(tail.data(), n - i, scores + i);
}
#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(HasCachedKernel);
HWY_EXPORT(CachedScratchSize);
HWY_EXPORT(RunCachedItem);
HWY_EXPORT(FinishProbs);

namespace cached_detail {

bool has_cached_kernel() { return HWY_DYNAMIC_DISPATCH(HasCachedKernel)(); }
std::size_t cached_scratch_size(const CachedTask& task, std::int64_t n_queries) {
  return HWY_DYNAMIC_DISPATCH(CachedScratchSize)(task, n_queries);
}
void run_cached_item(const CachedTask& task, const CachedItem& item, std::span<float> partial, std::span<float> scratch,
                     AttentionWork& work) {
  HWY_DYNAMIC_DISPATCH(RunCachedItem)(task, item, partial.data(), scratch.data(), work);
}
void finish_probs(std::span<float> scores, float log2_sum) {
  HWY_DYNAMIC_DISPATCH(FinishProbs)(scores.data(), scores.size(), log2_sum);
}

}  // namespace cached_detail
}  // namespace headroom
#endif
