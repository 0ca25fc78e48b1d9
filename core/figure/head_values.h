#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/figure/color_scale.h"

namespace headroom {

// Numbers of a head that figures read again with each move of the pointer: computed once for a snapshot's trace and remembered, the last few
// of each kind. Safe from any thread.

/// Probabilities of one query over all keys, NaN where masked. Shape  [seq]. Errors  as evaluate_row.
std::shared_ptr<const std::vector<float>> row_probabilities(const Snapshot& snapshot, const HeadRef& head, std::int64_t query);

/// What the colours of a head span.
struct HeadRange {
  ValueRange values;
  bool is_sampled = false;  ///< of some rows of a long text
};
struct RangeOf {
  Quantity quantity = Quantity::kProbs;
  FirstToken first_token = FirstToken::kShown;
  bool operator==(const RangeOf&) const = default;
};
/// Over all pairs of the head, or the pairs of evenly spread rows where that would be too many. Empty when pruned.
HeadRange head_range(const Snapshot& snapshot, const HeadRef& head, const RangeOf& of);

}  // namespace headroom
