#pragma once

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

/// A head's rows one after another without vectors: for machines that have none. Adds to `work` what it did.
void run_plain_head(const CachedCall& call, std::int64_t head, AttentionWork& work);

}  // namespace headroom::cached_detail
