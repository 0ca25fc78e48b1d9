#include "core/attention/flash_plan.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace headroom::flash_detail {
namespace {

IndexList range(std::int64_t begin, std::int64_t end) { return {nullptr, begin, 1, std::max<std::int64_t>(0, end - begin)}; }

/// first, first + step, ... below end.
IndexList progression(std::int64_t first, std::int64_t step, std::int64_t end) {
  return {nullptr, first, step, end > first ? (end - first + step - 1) / step : 0};
}

/// Entries of one bucket value, found again in a list sorted by it.
std::span<const std::int32_t> of_bucket(std::span<const std::int32_t> sorted, const std::vector<std::int32_t>& bucket,
                                        std::int32_t value) {
  const auto below = [&](std::int32_t i, std::int32_t v) { return bucket[static_cast<std::size_t>(i)] < v; };
  const auto above = [&](std::int32_t v, std::int32_t i) { return v < bucket[static_cast<std::size_t>(i)]; };
  const auto begin = std::lower_bound(sorted.begin(), sorted.end(), value, below);
  return {begin, std::upper_bound(begin, sorted.end(), value, above)};
}

IndexList listed(std::span<const std::int32_t> indices) {
  return {indices.data(), 0, 1, static_cast<std::int64_t>(indices.size())};
}

}  // namespace

void Plan::make(const AttentionConfig& config, std::int64_t rows_per_item) {
  sets_.clear();
  segments_.clear();
  indices_.clear();
  items_.clear();
  group_heads(config);
  const MaskPattern& pattern = config.mask.pattern;
  const IndexList all_queries = range(0, config.seq_q), all_keys = range(0, config.seq_k);
  bool has_second_phase = false;
  switch (pattern.kind) {
    case PatternKind::kDense:
      add_set(all_queries, {{all_keys, RowRule::kDirection, 0}});
      break;
    case PatternKind::kLocalWindow:
      add_set(all_queries, {{all_keys, RowRule::kWindow, pattern.window}});
      break;
    case PatternKind::kStrided:
      add_set(all_queries, {{all_keys, RowRule::kWindow, pattern.stride}});
      has_second_phase = true;
      break;
    case PatternKind::kGlobalLocal:
      add_global_local_sets(config);
      break;
    case PatternKind::kRandomBlocks:
      add_random_block_sets(config);
      break;
    case PatternKind::kHashedBuckets:
      add_bucket_sets(config);
      break;
  }
  add_items(config, 0, rows_per_item);
  second_phase_ = items_.size();
  if (!has_second_phase) return;
  const std::size_t first_set = sets_.size();
  add_strided_sets(config);
  add_items(config, first_set, rows_per_item);
}

void Plan::group_heads(const AttentionConfig& config) {
  heads_.clear();
  groups_.clear();
  for (std::int64_t kv_head = 0; kv_head < config.n_kv_heads; ++kv_head) {
    const std::size_t begin = heads_.size();
    for (std::int64_t head = 0; head < config.n_heads; ++head) {
      if (config.kv_head(head) == kv_head && !config.is_pruned(head)) heads_.push_back(head);
    }
    if (heads_.size() > begin) groups_.push_back({kv_head, begin, heads_.size()});
  }
}

void Plan::add_set(IndexList queries, std::initializer_list<KeySegment> segments) {
  if (queries.count == 0) return;
  const std::size_t begin = segments_.size();
  for (const KeySegment& segment : segments) {
    if (segment.keys.count > 0) segments_.push_back(segment);
  }
  sets_.push_back({queries, begin, segments_.size()});
}

/// Beyond its window a query sees the keys at whole strides, and so do all queries at whole strides from it: one set for each remainder.
void Plan::add_strided_sets(const AttentionConfig& config) {
  const std::int64_t stride = config.mask.pattern.stride, offset = config.mask.query_offset;
  for (std::int64_t remainder = 0; remainder < std::min(stride, config.seq_k); ++remainder) {
    const std::int64_t first_query = ((remainder - offset) % stride + stride) % stride;
    const IndexList queries = progression(first_query, stride, config.seq_q), keys = progression(remainder, stride, config.seq_k);
    if (config.mask.direction == Direction::kCausal) {
      add_set(queries, {{keys, RowRule::kBefore, 0}});
    } else {
      add_set(queries, {{keys, RowRule::kBefore, 0}, {keys, RowRule::kAfter, 0}});
    }
  }
}

void Plan::add_global_local_sets(const AttentionConfig& config) {
  const MaskPattern& pattern = config.mask.pattern;
  const std::int64_t n_global_queries = std::clamp<std::int64_t>(pattern.n_global - config.mask.query_offset, 0, config.seq_q);
  const std::int64_t n_global_keys = std::min(pattern.n_global, config.seq_k);
  add_set(range(0, n_global_queries), {{range(0, config.seq_k), RowRule::kDirection, 0}});
  add_set(range(n_global_queries, config.seq_q), {{range(0, n_global_keys), RowRule::kDirection, 0},
                                                  {range(n_global_keys, config.seq_k), RowRule::kWindow, pattern.window}});
}

void Plan::add_random_block_sets(const AttentionConfig& config) {
  const MaskPattern& pattern = config.mask.pattern;
  const std::int64_t offset = config.mask.query_offset, block = pattern.block;
  const std::int64_t first_block = offset / block, end_block = (offset + config.seq_q - 1) / block + 1;
  const std::int64_t n_key_blocks = (config.seq_k + block - 1) / block;
  // Pairs (query block, key block): a block's own, those it drew and, looking ahead, those that drew it.
  seen_blocks_.clear();
  const bool is_causal = config.mask.direction == Direction::kCausal;
  for (std::int64_t from = first_block; from < (is_causal ? end_block : std::max(end_block, n_key_blocks)); ++from) {
    drawn_.assign(1, from);
    append_drawn_blocks(pattern, from, drawn_);
    for (const std::int64_t to : drawn_) {
      if (from < end_block && to < n_key_blocks) seen_blocks_.push_back({from, to});
      const bool looks_ahead = to != from && !is_causal;
      if (looks_ahead && to >= first_block && to < end_block && from < n_key_blocks) seen_blocks_.push_back({to, from});
    }
  }
  std::sort(seen_blocks_.begin(), seen_blocks_.end());
  indices_.reserve(seen_blocks_.size() * static_cast<std::size_t>(block));  // pointers into it must last
  auto pair = seen_blocks_.begin();
  for (std::int64_t own = first_block; own < end_block; ++own) {
    const std::size_t begin = indices_.size();
    for (; pair != seen_blocks_.end() && pair->first == own; ++pair) {
      for (std::int64_t key = pair->second * block; key < std::min(config.seq_k, (pair->second + 1) * block); ++key) {
        indices_.push_back(static_cast<std::int32_t>(key));
      }
    }
    const IndexList keys = listed(std::span(indices_).subspan(begin));
    add_set(range(std::max<std::int64_t>(0, own * block - offset), std::min(config.seq_q, (own + 1) * block - offset)),
            {{keys, RowRule::kDirection, 0}});
  }
}

void Plan::add_bucket_sets(const AttentionConfig& config) {
  const MaskPattern& pattern = config.mask.pattern;
  const auto n_queries = static_cast<std::size_t>(config.seq_q), n_keys = static_cast<std::size_t>(config.seq_k);
  indices_.resize(n_queries + n_keys);
  const std::span<std::int32_t> queries = std::span(indices_).first(n_queries), keys = std::span(indices_).subspan(n_queries);
  const auto sort_by = [](std::span<std::int32_t> indices, const std::vector<std::int32_t>& bucket) {
    std::iota(indices.begin(), indices.end(), 0);
    std::stable_sort(indices.begin(), indices.end(), [&](std::int32_t a, std::int32_t b) {
      return bucket[static_cast<std::size_t>(a)] < bucket[static_cast<std::size_t>(b)];
    });
  };
  sort_by(queries, pattern.query_bucket);
  sort_by(keys, pattern.key_bucket);
  for (std::size_t begin = 0; begin < n_queries;) {
    const std::int32_t bucket = pattern.query_bucket[static_cast<std::size_t>(queries[begin])];
    const std::span<const std::int32_t> members = of_bucket(queries, pattern.query_bucket, bucket);
    add_set(listed(members), {{listed(of_bucket(keys, pattern.key_bucket, bucket)), RowRule::kDirection, 0}});
    begin += members.size();
  }
}

void Plan::add_items(const AttentionConfig& config, std::size_t first_set, std::int64_t rows_per_item) {
  const std::size_t first_item = items_.size();
  for (std::size_t s = first_set; s < sets_.size(); ++s) {
    const QuerySet& set = sets_[s];
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const std::int64_t group_size = groups_[g].size(), n_rows = set.queries.count * group_size;
      for (std::int64_t row = 0; row < n_rows; row += rows_per_item) {
        Item item{static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(g), 0, row, std::min(n_rows, row + rows_per_item), 0};
        // Rows see runs that only move on: the first row's begin and the last row's end bound all.
        const std::int64_t first = set.queries[item.row_begin / group_size], last = set.queries[(item.row_end - 1) / group_size];
        for (item.b = 0; item.b < config.batch; ++item.b) {
          item.cost = 1;
          for (const KeySegment& segment : segments(set)) {
            const std::int64_t begin = segment.keys.count_below(rule_range(config, segment, item.b, first).begin);
            const std::int64_t end = segment.keys.count_below(rule_range(config, segment, item.b, last).end);
            item.cost += static_cast<double>(std::max<std::int64_t>(0, end - begin)) * static_cast<double>(item.row_end - row);
          }
          const bool changes_nothing = first_set > 0 && item.cost == 1;  // a merged result without keys
          if (!changes_nothing) items_.push_back(item);
        }
      }
    }
  }
  std::sort(items_.begin() + static_cast<std::ptrdiff_t>(first_item), items_.end(), [](const Item& a, const Item& b) {
    return std::tie(a.b, a.group, b.cost, a.set, a.row_begin) < std::tie(b.b, b.group, a.cost, b.set, b.row_begin);
  });
}

}  // namespace headroom::flash_detail
