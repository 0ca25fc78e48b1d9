#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include "core/attention/config.h"

namespace headroom::flash_detail {

/// Ascending indices: those of `index`, or first, first + step, first + 2 step, ...
struct IndexList {
  const std::int32_t* index = nullptr;
  std::int64_t first = 0, step = 1, count = 0;

  std::int64_t operator[](std::int64_t i) const { return index != nullptr ? index[i] : first + i * step; }
  /// How many entries lie below `value`.
  std::int64_t count_below(std::int64_t value) const {
    if (index != nullptr) return std::lower_bound(index, index + count, value) - index;
    const std::int64_t steps = step == 1 ? value - first : (value - first + step - 1) / step;
    return value <= first ? 0 : std::min(steps, count);
  }
};

/// Which keys of a list a query sees, always an unbroken run of the list: those the direction allows; of them the pattern's window; the
/// ones before its own position; the ones after it.
enum class RowRule { kDirection, kWindow, kBefore, kAfter };

struct KeySegment {
  IndexList keys;
  RowRule rule = RowRule::kDirection;
  std::int64_t window = 0;  ///< kWindow: |position - key| < window
};

/// Queries that look at the same few lists of keys. Sparse patterns become dense attention between such lists, so that what is hidden is
/// hardly ever computed.
struct QuerySet {
  IndexList queries;
  std::size_t segments_begin = 0, segments_end = 0;  ///< in Plan::segments
};

/// The unpruned heads of each K/V head side by side.
struct HeadGroup {
  std::int64_t kv_head = 0;
  std::size_t begin = 0, end = 0;  ///< in Plan::heads

  std::int64_t size() const { return static_cast<std::int64_t>(end - begin); }
};

/// What one thread computes at a time. A row is a query of a head; the rows of a set are its queries, each with all heads of the group, so
/// that grouped heads share every key and value loaded: row r is query r / group size, head r % group size.
struct Item {
  std::uint32_t set = 0, group = 0;
  std::int64_t b = 0;
  std::int64_t row_begin = 0, row_end = 0;
  double cost = 0;  ///< pairs, about
};

/// How a call is cut into items. Made anew by each call, in memory that stays.
class Plan {
 public:
  /// rows_per_item: rows that share the loads of keys and values.
  void make(const AttentionConfig& config, std::int64_t rows_per_item);

  const QuerySet& set(const Item& item) const { return sets_[item.set]; }
  const HeadGroup& group(const Item& item) const { return groups_[item.group]; }
  std::span<const KeySegment> segments(const QuerySet& set) const {
    return std::span(segments_).subspan(set.segments_begin, set.segments_end - set.segments_begin);
  }
  std::span<const std::int64_t> heads(const HeadGroup& group) const {
    return std::span(heads_).subspan(group.begin, group.end - group.begin);
  }
  std::span<const HeadGroup> groups() const { return groups_; }
  /// Head by head, so that its keys and values stay in the caches; of each the costly ones first, so that what is long does not come last.
  std::span<const Item> items() const { return std::span(items_).first(second_phase_); }
  /// Items of a second pass over the same rows, whose result is merged with the first's: a strided pattern's far keys.
  std::span<const Item> merged_items() const { return std::span(items_).subspan(second_phase_); }

 private:
  void group_heads(const AttentionConfig& config);
  void add_set(IndexList queries, std::initializer_list<KeySegment> segments);
  void add_strided_sets(const AttentionConfig& config);
  void add_global_local_sets(const AttentionConfig& config);
  void add_random_block_sets(const AttentionConfig& config);
  void add_bucket_sets(const AttentionConfig& config);
  void add_items(const AttentionConfig& config, std::size_t first_set, std::int64_t rows_per_item);

  std::vector<std::int64_t> heads_;
  std::vector<HeadGroup> groups_;
  std::vector<QuerySet> sets_;
  std::vector<KeySegment> segments_;
  std::vector<std::int32_t> indices_;
  std::vector<std::int64_t> drawn_;
  std::vector<std::pair<std::int64_t, std::int64_t>> seen_blocks_;
  std::vector<Item> items_;
  std::size_t second_phase_ = 0;
};

/// The keys [begin, end) that the rule, the direction and the padding leave to a query: as numbers of keys, whether the list has them or not.
inline KeyRange rule_range(const AttentionConfig& config, const KeySegment& segment, std::int64_t b, std::int64_t query) {
  const Mask& mask = config.mask;
  const std::int64_t position = mask.query_offset + query;
  KeyRange seen{0, config.seq_k};
  if (!mask.key_lengths.empty()) seen.end = mask.key_lengths[static_cast<std::size_t>(b)];
  if (mask.direction == Direction::kCausal) seen.end = std::min(seen.end, position + 1);
  switch (segment.rule) {
    case RowRule::kDirection:
      break;
    case RowRule::kWindow:
      seen.begin = std::max(seen.begin, position - segment.window + 1);
      seen.end = std::min(seen.end, position + segment.window);
      break;
    case RowRule::kBefore:
      seen.end = std::min(seen.end, position);
      break;
    case RowRule::kAfter:
      seen.begin = std::max(seen.begin, position + 1);
      break;
  }
  return seen.begin < seen.end ? seen : KeyRange{0, 0};
}

}  // namespace headroom::flash_detail
