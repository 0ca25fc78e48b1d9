#include <algorithm>

#include "core/attention/mask.h"

namespace headroom {
namespace {

/// Every pair of a tile: positions [first, last] of its queries, keys [begin, last], and the distances position - key they span.
struct Span {
  std::int64_t first_position = 0, last_position = 0;
  std::int64_t first_key = 0, last_key = 0;
  std::int64_t min_distance = 0, max_distance = 0;
};

TileVisibility from_counts(bool has_visible, bool has_hidden) {
  if (!has_visible) return TileVisibility::kNone;
  return has_hidden ? TileVisibility::kSome : TileVisibility::kAll;
}

/// kNone beats kSome beats kAll: a pair is visible only where each rule lets it be.
TileVisibility both(TileVisibility a, TileVisibility b) {
  if (a == TileVisibility::kNone || b == TileVisibility::kNone) return TileVisibility::kNone;
  return a == TileVisibility::kAll && b == TileVisibility::kAll ? TileVisibility::kAll : TileVisibility::kSome;
}

/// |distance| < reach
TileVisibility near_diagonal(const Span& span, std::int64_t reach) {
  return from_counts(span.min_distance < reach && span.max_distance > -reach,
                     span.min_distance <= -reach || span.max_distance >= reach);
}

TileVisibility strided(const Span& span, std::int64_t stride) {
  if (stride == 1) return TileVisibility::kAll;
  const TileVisibility diagonal = near_diagonal(span, stride);
  if (diagonal != TileVisibility::kNone) return diagonal;
  // Far from the diagonal all distances have one sign; is there a multiple of the stride among them?
  const std::int64_t low = span.min_distance > 0 ? span.min_distance : -span.max_distance;
  const std::int64_t high = span.min_distance > 0 ? span.max_distance : -span.min_distance;
  return from_counts(high / stride * stride >= low, low != high);
}

TileVisibility global_local(const Span& span, const MaskPattern& pattern) {
  const TileVisibility local = near_diagonal(span, pattern.window);
  if (local == TileVisibility::kAll || span.last_position < pattern.n_global || span.last_key < pattern.n_global) {
    return TileVisibility::kAll;
  }
  const bool has_global = span.first_position < pattern.n_global || span.first_key < pattern.n_global;
  return local == TileVisibility::kNone && !has_global ? TileVisibility::kNone : TileVisibility::kSome;
}

TileVisibility random_blocks(const Span& span, const MaskPattern& pattern) {
  bool has_visible = false, has_hidden = false;
  for (std::int64_t p = span.first_position / pattern.block; p <= span.last_position / pattern.block; ++p) {
    for (std::int64_t k = span.first_key / pattern.block; k <= span.last_key / pattern.block; ++k) {
      const bool is_kept = p == k || draws_block(pattern, std::max(p, k), std::min(p, k));
      (is_kept ? has_visible : has_hidden) = true;
      if (has_visible && has_hidden) return TileVisibility::kSome;
    }
  }
  return from_counts(has_visible, has_hidden);
}

TileVisibility hashed_buckets(const MaskPattern& pattern, KeyRange queries, KeyRange keys) {
  bool has_visible = false, has_hidden = false;
  for (std::int64_t i = queries.begin; i < queries.end; ++i) {
    for (std::int64_t j = keys.begin; j < keys.end; ++j) {
      const bool is_kept = pattern.query_bucket[static_cast<std::size_t>(i)] == pattern.key_bucket[static_cast<std::size_t>(j)];
      (is_kept ? has_visible : has_hidden) = true;
      if (has_visible && has_hidden) return TileVisibility::kSome;
    }
  }
  return from_counts(has_visible, has_hidden);
}

TileVisibility by_pattern(const MaskPattern& pattern, const Span& span, KeyRange queries, KeyRange keys) {
  switch (pattern.kind) {
    case PatternKind::kDense:
      return TileVisibility::kAll;
    case PatternKind::kLocalWindow:
      return near_diagonal(span, pattern.window);
    case PatternKind::kStrided:
      return strided(span, pattern.stride);
    case PatternKind::kGlobalLocal:
      return global_local(span, pattern);
    case PatternKind::kRandomBlocks:
      return random_blocks(span, pattern);
    case PatternKind::kHashedBuckets:
      return hashed_buckets(pattern, queries, keys);
  }
  return TileVisibility::kSome;
}

}  // namespace

TileVisibility tile_visibility(const Mask& mask, std::int64_t b, KeyRange queries, KeyRange keys) {
  if (queries.begin >= queries.end || keys.begin >= keys.end) return TileVisibility::kNone;
  TileVisibility visibility = TileVisibility::kAll;
  if (!mask.key_lengths.empty()) {
    const std::int64_t length = mask.key_lengths[static_cast<std::size_t>(b)];
    visibility = from_counts(keys.begin<length, keys.end> length);
  }
  Span span;
  span.first_position = mask.query_offset + queries.begin;
  span.last_position = mask.query_offset + queries.end - 1;
  span.first_key = keys.begin;
  span.last_key = keys.end - 1;
  span.min_distance = span.first_position - span.last_key;
  span.max_distance = span.last_position - span.first_key;
  if (mask.direction == Direction::kCausal) {
    visibility = both(visibility, from_counts(span.max_distance >= 0, span.min_distance < 0));
  }
  if (visibility == TileVisibility::kNone) return visibility;
  return both(visibility, by_pattern(mask.pattern, span, queries, keys));
}

}  // namespace headroom
