#include "core/attention/mask.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/attention/counter_hash.h"

namespace headroom {
namespace {

bool is_padding(const Mask& mask, std::int64_t b, std::int64_t j) {
  return !mask.key_lengths.empty() && j >= mask.key_lengths[static_cast<std::size_t>(b)];
}

bool keeps_blocks(const MaskPattern& pattern, std::int64_t query_block, std::int64_t key_block) {
  if (query_block == key_block) return true;
  return query_block > key_block ? draws_block(pattern, query_block, key_block) : draws_block(pattern, key_block, query_block);
}

bool keeps_bucket(const MaskPattern& pattern, std::int64_t i, std::int64_t j) {
  const auto query = static_cast<std::size_t>(i), key = static_cast<std::size_t>(j);
  return query < pattern.query_bucket.size() && key < pattern.key_bucket.size() &&
         pattern.query_bucket[query] == pattern.key_bucket[key];
}

}  // namespace

namespace {

/// Floyd's sampling: calls visit(block) for each block that `from` draws until it answers true; was it answered?
template <typename Visit>
bool draw_until(const MaskPattern& pattern, std::int64_t from, const Visit& visit) {
  const std::int64_t n = std::min({pattern.blocks_per_row, from, kMaxBlocksPerRow});
  std::array<std::int64_t, kMaxBlocksPerRow> taken{};
  std::int64_t n_taken = 0;
  for (std::int64_t t = from - n; t < from; ++t) {
    const std::uint32_t hash = counter_hash(pattern.seed, {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(t)});
    std::int64_t drawn = static_cast<std::int64_t>(hash) % (t + 1);
    if (std::find(taken.begin(), taken.begin() + n_taken, drawn) != taken.begin() + n_taken) drawn = t;
    if (visit(drawn)) return true;
    taken[static_cast<std::size_t>(n_taken++)] = drawn;
  }
  return false;
}

}  // namespace

bool draws_block(const MaskPattern& pattern, std::int64_t from, std::int64_t to) {
  if (to < 0 || to >= from || pattern.blocks_per_row <= 0) return false;
  if (pattern.blocks_per_row >= from) return true;
  return draw_until(pattern, from, [to](std::int64_t drawn) { return drawn == to; });
}

void append_drawn_blocks(const MaskPattern& pattern, std::int64_t from, std::vector<std::int64_t>& blocks) {
  draw_until(pattern, from, [&blocks](std::int64_t drawn) {
    blocks.push_back(drawn);
    return false;
  });
}

bool is_visible(const Mask& mask, std::int64_t b, std::int64_t i, std::int64_t j) {
  if (is_padding(mask, b, j)) return false;
  const std::int64_t position = mask.query_offset + i;
  if (mask.direction == Direction::kCausal && j > position) return false;
  const MaskPattern& pattern = mask.pattern;
  const std::int64_t distance = position - j;
  switch (pattern.kind) {
    case PatternKind::kDense:
      return true;
    case PatternKind::kLocalWindow:
      return std::abs(distance) < pattern.window;
    case PatternKind::kStrided:
      return distance % pattern.stride == 0 || std::abs(distance) < pattern.stride;
    case PatternKind::kGlobalLocal:
      return position < pattern.n_global || j < pattern.n_global || std::abs(distance) < pattern.window;
    case PatternKind::kRandomBlocks:
      return keeps_blocks(pattern, position / pattern.block, j / pattern.block);
    case PatternKind::kHashedBuckets:
      return keeps_bucket(pattern, i, j);
  }
  return false;
}

bool is_range_mask(const Mask& mask) {
  return mask.pattern.kind == PatternKind::kDense || mask.pattern.kind == PatternKind::kLocalWindow;
}

KeyRange key_range(const Mask& mask, std::int64_t b, std::int64_t i, std::int64_t seq_k) {
  const std::int64_t position = mask.query_offset + i;
  KeyRange range{0, seq_k};
  if (!mask.key_lengths.empty()) range.end = std::min(range.end, mask.key_lengths[static_cast<std::size_t>(b)]);
  if (mask.direction == Direction::kCausal) range.end = std::min(range.end, position + 1);
  if (mask.pattern.kind == PatternKind::kLocalWindow) {
    range.begin = std::max(range.begin, position - mask.pattern.window + 1);
    range.end = std::min(range.end, position + mask.pattern.window);
  }
  if (!is_range_mask(mask)) {
    while (range.begin < range.end && !is_visible(mask, b, i, range.begin)) {
      ++range.begin;
    }
    while (range.begin < range.end && !is_visible(mask, b, i, range.end - 1)) {
      --range.end;
    }
  }
  return range.begin < range.end ? range : KeyRange{0, 0};
}

std::int64_t count_visible(const Mask& mask, std::int64_t b, std::int64_t seq_q, std::int64_t seq_k) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < seq_q; ++i) {
    const KeyRange range = key_range(mask, b, i, seq_k);
    if (is_range_mask(mask)) {
      count += range.end - range.begin;
      continue;
    }
    for (std::int64_t j = range.begin; j < range.end; ++j) {
      count += is_visible(mask, b, i, j) ? 1 : 0;
    }
  }
  return count;
}

std::string mask_text(const Mask& mask) {
  const std::string direction = mask.direction == Direction::kCausal ? "causal" : "bidirectional";
  const MaskPattern& pattern = mask.pattern;
  switch (pattern.kind) {
    case PatternKind::kDense:
      return direction;
    case PatternKind::kLocalWindow:
      return direction + ", local window " + std::to_string(pattern.window);
    case PatternKind::kStrided:
      return direction + ", strided " + std::to_string(pattern.stride);
    case PatternKind::kGlobalLocal:
      return direction + ", global " + std::to_string(pattern.n_global) + " + local window " + std::to_string(pattern.window);
    case PatternKind::kRandomBlocks:
      return direction + ", random blocks " + std::to_string(pattern.blocks_per_row) + " of " + std::to_string(pattern.block);
    case PatternKind::kHashedBuckets:
      return direction + ", hashed buckets";
  }
  return direction;
}

}  // namespace headroom
