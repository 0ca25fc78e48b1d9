#pragma once

#include <filesystem>

#include "core/session/costs.h"

namespace headroom {

/// What the Cost stage shows of the session's plans; this machine is measured where one of them is of it.
/// Errors  Error when a card or a device cannot be had. A plan that does not fit is an answer.
CostState costs_now(const Session& session, const std::filesystem::path& assets);

}  // namespace headroom
