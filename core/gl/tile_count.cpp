#include "core/gl/tile_count.h"

#include <algorithm>
#include <cstdlib>

#include "core/gl/attention_kernels.h"

namespace headroom::gl {
namespace {

struct Range {
  std::int64_t begin = 0, end = 0;
};

/// Keys that queries [i0, i1) may see by length, direction and window.
Range keys_of(const AttentionConfig& config, std::int64_t b, const Range& queries) {
  const Mask& mask = config.mask;
  const std::int64_t first = mask.query_offset + queries.begin, last = mask.query_offset + queries.end - 1;
  Range keys{0, config.seq_k};
  if (!mask.key_lengths.empty()) keys.end = std::min<std::int64_t>(keys.end, mask.key_lengths[static_cast<std::size_t>(b)]);
  if (mask.direction == Direction::kCausal) keys.end = std::min(keys.end, last + 1);
  if (mask.pattern.kind == PatternKind::kLocalWindow) {
    keys.begin = std::max<std::int64_t>(0, first - mask.pattern.window + 1);
    keys.end = std::min(keys.end, last + mask.pattern.window);
  }
  return keys;
}

bool may_see(const Mask& mask, const Range& queries, const Range& keys, std::int64_t seq_k) {
  const MaskPattern& pattern = mask.pattern;
  const std::int64_t farthest = mask.query_offset + queries.end - 1 - keys.begin;
  const std::int64_t nearest = mask.query_offset + queries.begin - (keys.end - 1);
  const std::int64_t least = std::max<std::int64_t>({nearest, -farthest, 0});
  if (pattern.kind == PatternKind::kStrided) {
    const std::int64_t most = std::max(std::abs(nearest), std::abs(farthest));
    return least < pattern.stride || most / pattern.stride > (least - 1) / pattern.stride;
  }
  if (pattern.kind == PatternKind::kGlobalLocal) {
    return least < pattern.window || mask.query_offset + queries.begin < pattern.n_global || keys.begin < pattern.n_global;
  }
  if (pattern.kind != PatternKind::kRandomBlocks) return true;
  // The pattern alone: which side of the diagonal a block lies on is no part of the table.
  Mask probe;
  probe.direction = Direction::kBidirectional;
  probe.pattern = pattern;
  const std::int64_t last_row = (mask.query_offset + queries.end - 1) / pattern.block;
  const std::int64_t last_block = (std::min(keys.end, seq_k) - 1) / pattern.block;
  for (std::int64_t row = (mask.query_offset + queries.begin) / pattern.block; row <= last_row; ++row) {
    for (std::int64_t block = keys.begin / pattern.block; block <= last_block; ++block) {
      if (is_visible(probe, 0, row * pattern.block, block * pattern.block)) return true;
    }
  }
  return false;
}

}  // namespace

TileCount count_tiles(const AttentionConfig& config, const FusedShape& shape) {
  const std::int64_t step = shape.tile_keys();
  double n_tiles = 0;
  for (std::int64_t b = 0; b < config.batch; ++b) {
    for (std::int64_t i = 0; i < config.seq_q; i += shape.tile_queries()) {
      const Range queries{i, std::min(i + shape.tile_queries(), config.seq_q)};
      const Range keys = keys_of(config, b, queries);
      const PatternKind kind = config.mask.pattern.kind;
      if (kind == PatternKind::kDense || kind == PatternKind::kLocalWindow || kind == PatternKind::kHashedBuckets) {
        n_tiles += static_cast<double>(std::max<std::int64_t>(0, ceil_div(std::max(keys.end - keys.begin, std::int64_t{0}), step)));
        continue;
      }
      for (std::int64_t j = keys.begin; j < keys.end; j += step)
        n_tiles += may_see(config.mask, queries, {j, j + step}, config.seq_k) ? 1 : 0;
    }
  }
  return {n_tiles * static_cast<double>(shape.tile_queries() * step), n_tiles * static_cast<double>(step)};
}

}  // namespace headroom::gl
