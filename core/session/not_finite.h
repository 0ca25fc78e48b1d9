#pragma once

#include <string>

#include "core/model/forward.h"

namespace headroom {

/// The notice for a pass whose numbers are not all finite: what that looks like, and, where q, k or v of a layer that the trace holds is
/// already so, the first place: layer, tensor, head, row and coordinate.
std::string not_finite_notice(const ForwardTrace& trace);

}  // namespace headroom
