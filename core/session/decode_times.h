#pragma once

#include <memory>

#include "core/session/decode_requests.h"

namespace headroom {

/// A copy in which nothing was measured: times are 0 and have no fits, and of the machine nothing is said. For pictures that must come out
/// the same each time; what was counted stays.
std::shared_ptr<const Decoded> without_times(const Decoded& decoded);

}  // namespace headroom
