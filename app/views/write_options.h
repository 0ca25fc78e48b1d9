#pragma once

#include <cstdint>
#include <span>

#include "app/views/context.h"

namespace headroom {

/// One number of the session's WritePlan: how many words are written, and how they are drawn.
enum class WriteOption { kTokens, kTemperature, kTopK, kTopP, kSeed };

/// Its slider. `place` in ImGui's screen coordinates.
void write_option(const Frame& frame, WriteOption option, const Rect& place);

/// Numbers of tokens that a slider offers.
std::span<const std::int64_t> written_tokens();

}  // namespace headroom
