// One thread's share of attention over pages. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_CACHED_RUN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_CACHED_RUN_INL_H_
#undef HEADROOM_CORE_ATTENTION_CACHED_RUN_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_CACHED_RUN_INL_H_
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "core/attention/cached_kernel.h"
#include "core/attention/cached_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using cached_detail::CachedItem;
using cached_detail::CachedTask;
using flash_detail::HeadGroup;

#if HWY_TARGET != HWY_SCALAR

static_assert(kTileKeys == cached_detail::kTileSlots);

/// Rows of a group are cut into blocks of kMostRows.
std::int64_t n_blocks(std::int64_t n_rows) { return (n_rows + kMostRows - 1) / kMostRows; }

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

  /// Calls body(first slot in the tile, slots, page's part, first row of it) for each page that the unit's slots lie in.
  template <typename Body>
  HWY_INLINE void for_each_run(const Unit& unit, const Body& body) const {
    const std::int64_t page_rows = call_.pages.layout.page_rows;
    const std::byte* const* part = call_.pages.pages.data() + unit.slots.begin / page_rows;
    std::int64_t page_row = unit.slots.begin % page_rows;
    for (std::int64_t i = 0; i < unit.list.n; page_row = 0, ++part) {
      const std::int64_t n = std::min(unit.list.n - i, page_rows - page_row);
      body(static_cast<std::size_t>(i), static_cast<std::size_t>(n), *part, page_row);
      i += n;
    }
  }

  void find_rows(Unit& unit) const {
    const PageLayout& layout = call_.pages.layout;
    const std::int64_t kv_head = task_.groups[unit.group].kv_head;
    const std::int64_t values = layout.values_at(kv_head, 0), row_bytes = layout.row.values, scales = layout.scale_at(kv_head, 0);
    RowList& list = unit.list;
    list.n = unit.slots.end - unit.slots.begin;
    for_each_run(unit, [&](std::size_t first, std::size_t n, const std::byte* part, std::int64_t page_row) HEADROOM_INLINED {
      const std::byte* row = part + values + page_row * row_bytes;
      for (std::size_t i = first; i < first + n; ++i, row += row_bytes)
        list.rows[i] = row;
      if constexpr (!kIsScaled) return;
      const std::byte* const line = part + scales + 4 * page_row;
      for (std::size_t at = 0; at < 4 * n; at += 64) {
        __builtin_prefetch(line + layout.k_scales + at, 0, 3);
        __builtin_prefetch(line + layout.v_scales + at, 0, 3);
      }
    });
    for (auto i = static_cast<std::size_t>(list.n); i < list.rows.size(); ++i)
      list.rows[i] = list.rows[i - 1];
    if (terms_.bias != nullptr) {
      for (std::int64_t i = 0; i < list.n; ++i) {
        const std::int64_t position = cached_detail::position_of(call_.pages, kv_head, unit.slots.begin + i);
        list.positions[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(position);
      }
    }
    if (call_.outputs.probs.empty()) return;
    for (std::int64_t i = 0; i < list.n; ++i)
      list.slots[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(unit.slots.begin + i);
  }

  /// Later than find_rows: by now they are near.
  void read_scales(Unit& unit) const {
    if constexpr (!kIsScaled) return;
    const PageLayout& layout = call_.pages.layout;
    const std::int64_t scales = layout.scale_at(task_.groups[unit.group].kv_head, 0);
    const std::int64_t k = layout.k_scales + scales, v = layout.v_scales + scales;
    for_each_run(unit, [&](std::size_t first, std::size_t n, const std::byte* part, std::int64_t page_row) HEADROOM_INLINED {
      copy_scales(part + k + 4 * page_row, n, unit.list.k_scales.data() + first);
      copy_scales(part + v + 4 * page_row, n, unit.list.v_scales.data() + first);
    });
  }
  static HWY_INLINE void copy_scales(const std::byte* from, std::size_t n, float* to) {
    if (n >= 16) {
      std::memcpy(to, from, n * sizeof(float));
      return;
    }
    for (std::size_t i = 0; i < n; ++i)  // a call for each would cost more
      std::memcpy(to + i, from + i * sizeof(float), sizeof(float));
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
    const Listed<kFormat> k{list, ahead, 0, d_head_, call_.pages.layout.row.values, kept},
        v{list, ahead, call_.pages.layout.v_values, d_head_, call_.pages.layout.row.values, kept};
    const DecodePanel<Listed<kFormat> > panel{k, v, d_head_, width_, scores_, terms_.is_any() ? &terms_ : nullptr};
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

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
