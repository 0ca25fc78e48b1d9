#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/session/session.h"
#include "core/speed/report.h"

namespace headroom {

/// A wish to measure: which parts, of which layer, how long.
struct SpeedRequest {
  SpeedShape shape;
  std::vector<SpeedPart> parts;  ///< in this order; each is answered as soon as it is measured
  SpeedBudget budget;
};

/// What is known about speed: the newest measurements and what went wrong, for views and files.
struct SpeedState {
  std::shared_ptr<const SpeedReport> report;  ///< null until something was measured; its parts belong to its own shape
  std::map<SpeedPart, std::string> failures;  ///< one sentence a part that could not be measured the last time
  std::optional<SpeedPart> running;           ///< measured at this moment
  bool operator==(const SpeedState&) const = default;
};

/// Everything that the Speed stage shows, in the order in which it is measured.
inline constexpr std::array<SpeedPart, 5> kSpeedParts{SpeedPart::kLadder, SpeedPart::kDevices, SpeedPart::kCases,
                                                      SpeedPart::kRoofline, SpeedPart::kGrowth};
/// Parts that a section shows; all of them for kAll.
std::vector<SpeedPart> speed_parts(SpeedSection section);
/// "ladder", "backends", "roofline", "time over n", "CPU and GPU"
const char* speed_part_name(SpeedPart part);

/// The layer that is measured: the session's h, kv_heads, d_k, d_model and mask over view.speed_tokens, or over as many tokens as the
/// sentence has, at most kLongTokens: nobody waits minutes unasked. Pruned heads count: what is compared are ways to compute, not what is left away.
SpeedShape speed_shape_of(const Session& session, std::int64_t sentence_tokens);
SpeedRequest speed_request_of(const Session& session, std::int64_t sentence_tokens, SpeedSection section);

/// About how long it will take on an ordinary machine, seconds: the figures' own time, the limits beside them, and what is checked before.
double estimated_seconds(const SpeedRequest& request);

}  // namespace headroom
