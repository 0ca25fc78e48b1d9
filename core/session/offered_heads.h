#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/session/session.h"
#include "core/session/snapshot.h"

namespace headroom {

/// What h can be set to.
struct OfferedHeads {
  std::vector<std::int64_t> values;  ///< ascending, never empty
  std::string why;                   ///< one sentence on why the trained h alone is among them; empty where the model can be sliced
};

/// Slices that the model's parameters refuse (find_slice_problem) are left out as soon as a snapshot of it tells its configuration.
/// `snapshot` may be null, and of another model.
OfferedHeads offered_heads(const Compute& compute, const Snapshot* snapshot);

}  // namespace headroom
