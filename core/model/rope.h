#pragma once

#include <cstdint>
#include <string>

#include "core/model/params.h"

namespace headroom {

/// How many of each head's coordinates a model's rotary positions speak of: d_head * rotary_share, rounded down. Pairs turn, so an odd
/// number turns one coordinate more.
std::int64_t rotary_width(const ModelConfig& config);

/// One sentence on what is impossible in the configuration's rotary positions; empty when nothing is, or the model has others.
std::string find_rope_problem(const ModelConfig& config);

}  // namespace headroom
