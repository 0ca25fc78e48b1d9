#pragma once

#include <cstdint>

#include "core/attention/cached_attention.h"

namespace headroom::cached_detail {

/// One attention call over pages, by reference.
struct CachedCall {
  const AttentionConfig& config;
  const ConstHeadsView& q;
  const CachedPages& pages;
  const CachedOutputs& outputs;
};

/// The position of the token in a slot; negative where there is none.
inline std::int64_t position_of(const CachedPages& pages, std::int64_t kv_head, std::int64_t slot) {
  return pages.positions.empty() ? slot : pages.positions[static_cast<std::size_t>(kv_head * pages.n_rows + slot)];
}
/// May query i see what is in the slot?
inline bool sees_slot(const CachedCall& call, std::int64_t kv_head, std::int64_t i, std::int64_t slot) {
  const std::int64_t position = position_of(call.pages, kv_head, slot);
  return position >= 0 && is_visible(call.config.mask, 0, i, position);
}

/// Slots that are looked at together: one bit each in a word.
inline constexpr std::int64_t kTileSlots = 64;
/// Which of these slots query i sees: bit s - slots.begin for slot s. `slots` are kTileSlots at most.
std::uint64_t visible_slots(const CachedCall& call, std::int64_t kv_head, std::int64_t i, KeyRange slots);
/// Smallest range of slots that holds all that any of these queries sees of any head, where that is known without looking at each.
KeyRange slots_of(const CachedCall& call, KeyRange queries);

/// A head's rows one after another without vectors: for machines that have none. Adds to `work` what it did.
void run_plain_head(const CachedCall& call, std::int64_t head, AttentionWork& work);

}  // namespace headroom::cached_detail
