#pragma once

#include <cstdint>
#include <vector>

#include "core/session/decode_requests.h"

namespace headroom {

/// What the Decode stage remembers between frames.
struct DecodeScratch {
  bool is_playing = false;
  double stepped_at = 0;                  ///< when the last played step was shown, seconds of the program's clock
  DecodeState seen;                       ///< to count changes
  std::uint64_t version = 0;              ///< counts what was found
  std::vector<std::int64_t> batch_steps;  ///< 0, 1, … of the simulated requests, for their slider
};

}  // namespace headroom
