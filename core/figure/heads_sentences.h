#pragma once

#include <string>

#include "core/session/snapshot.h"

namespace headroom {

// What the legend of all heads says of a long text; empty where there is nothing to say.

/// "Sampled rows: …" while some thumbnail was made from a part of its rows.
std::string sampled_sentence(const Snapshot& snapshot);

/// Over thousands of keys each gets a little: where the linear scale leaves every picture dark, what would show more.
std::string dark_sentence(const Snapshot& snapshot, ColorScale scale);

}  // namespace headroom
