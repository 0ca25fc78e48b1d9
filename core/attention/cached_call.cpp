#include "core/attention/cached_call.h"

#include <algorithm>
#include <limits>

namespace headroom::cached_detail {
namespace {

constexpr std::int64_t kAllPositions = std::int64_t{1} << 32;

/// Bits [begin, end) of a word.
std::uint64_t bits_of(std::int64_t begin, std::int64_t end) {
  if (begin >= end) return 0;
  const std::uint64_t below_end = end >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << end) - 1;
  return below_end & (~std::uint64_t{0} << begin);
}

}  // namespace

std::uint64_t visible_slots(const CachedCall& call, std::int64_t kv_head, std::int64_t i, KeyRange slots) {
  const Mask& mask = call.config.mask;
  const CachedPages& pages = call.pages;
  const bool is_range = is_range_mask(mask);
  const KeyRange seen = is_range ? key_range(mask, 0, i, kAllPositions) : KeyRange{};
  const std::int64_t n = slots.end - slots.begin;
  if (pages.positions.empty()) {
    if (is_range) return bits_of(std::max(seen.begin - slots.begin, std::int64_t{0}), std::min(seen.end - slots.begin, n));
    if (mask.pattern.kind != PatternKind::kHashedBuckets) {
      const TileVisibility visibility = tile_visibility(mask, 0, {i, i + 1}, slots);
      if (visibility != TileVisibility::kSome) return visibility == TileVisibility::kAll ? bits_of(0, n) : 0;
    }
  }
  std::uint64_t visible = 0;
  for (std::int64_t at = 0; at < n; ++at) {
    const std::int64_t position = position_of(pages, kv_head, slots.begin + at);
    const bool sees = is_range ? position >= seen.begin && position < seen.end : position >= 0 && is_visible(mask, 0, i, position);
    visible |= static_cast<std::uint64_t>(sees) << static_cast<unsigned>(at);
  }
  return visible;
}

KeyRange slots_of(const CachedCall& call, KeyRange queries) {
  const std::int64_t n_rows = call.pages.n_rows;
  if (!call.pages.positions.empty() || !is_range_mask(call.config.mask)) return {0, n_rows};
  KeyRange slots{n_rows, 0};
  for (std::int64_t i = queries.begin; i < queries.end; ++i) {
    const KeyRange seen = key_range(call.config.mask, 0, i, n_rows);
    if (seen.begin >= seen.end) continue;
    slots = {std::min(slots.begin, seen.begin), std::max(slots.end, seen.end)};
  }
  return slots.begin < slots.end ? slots : KeyRange{0, 0};
}

}  // namespace headroom::cached_detail
