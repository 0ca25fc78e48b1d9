#pragma once

#include <optional>
#include <stop_token>

#include "core/formats/capture.h"
#include "core/formats/capture_attention.h"

namespace headroom {

/// Looks at sampled rows of all layers; of a small capture at all rows. Rows of q·k are only summed where a logsumexp is there to compare.
/// Errors  Error when the file cannot be read; Cancelled.
CaptureReport check_capture(const ForwardTrace& trace, const StackPlan& plan, std::stop_token stop);

/// Whether queries see what comes after them, by sampled rows of full attention; by a stored logsumexp of q and k. Nothing where neither
/// tells.
std::optional<Direction> direction_by_values(const StackPlan& plan, std::int64_t entry, std::int64_t query_start);

}  // namespace headroom
