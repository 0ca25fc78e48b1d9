#include "core/attention/mask.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>

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

/// Different blocks before one, in the order of their drawing.
struct Draw {
  std::array<std::int64_t, kMaxBlocksPerRow> blocks{};
  std::ptrdiff_t n = 0;

  auto end() const { return blocks.begin() + n; }
};

/// Floyd's sampling. Only where there are more blocks before `from` than it draws.
Draw draw_blocks(const MaskPattern& pattern, std::int64_t from) {
  Draw draw;
  for (std::int64_t t = from - std::min(pattern.blocks_per_row, kMaxBlocksPerRow); t < from; ++t) {
    const std::uint32_t hash = counter_hash(pattern.seed, {static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(t)});
    std::int64_t drawn = static_cast<std::int64_t>(hash) % (t + 1);
    if (std::find(draw.blocks.cbegin(), draw.end(), drawn) != draw.end()) drawn = t;
    draw.blocks[static_cast<std::size_t>(draw.n++)] = drawn;
  }
  return draw;
}

}  // namespace

bool draws_block(const MaskPattern& pattern, std::int64_t from, std::int64_t to) {
  if (to < 0 || to >= from || pattern.blocks_per_row <= 0) return false;
  if (pattern.blocks_per_row >= from) return true;
  const Draw draw = draw_blocks(pattern, from);
  return std::find(draw.blocks.begin(), draw.end(), to) != draw.end();
}

void append_drawn_blocks(const MaskPattern& pattern, std::int64_t from, std::vector<std::int64_t>& drawn) {
  if (from <= 0 || pattern.blocks_per_row <= 0) return;
  const auto begin = static_cast<std::ptrdiff_t>(drawn.size());
  if (pattern.blocks_per_row >= from) {
    drawn.resize(drawn.size() + static_cast<std::size_t>(from));
    std::iota(drawn.begin() + begin, drawn.end(), 0);
    return;
  }
  const Draw draw = draw_blocks(pattern, from);
  drawn.insert(drawn.end(), draw.blocks.begin(), draw.end());
  std::sort(drawn.begin() + begin, drawn.end());
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
