#pragma once

#include <string>

#include "app/views/context.h"

namespace headroom {

/// "1.66"; "–" when it is not finite.
std::string decimal(double value, int digits);
/// The held-out loss of the session as it stands, or null while it is being measured.
const HeldOutLoss* held_out_now(const Frame& frame);

}  // namespace headroom
