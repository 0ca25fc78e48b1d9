#pragma once

#include <filesystem>

#include "app/commands/bench_table.h"

namespace headroom {

/// From a changed sentence of 32 tokens to all heatmaps of the bundled model, as the engine's thread does it, against 16 ms.
BenchRow bench_typing(const std::filesystem::path& assets);

/// One frame of the window at 1600 x 900, drawn off screen: processor time of its thread, against 1 ms, and what was counted.
/// Errors  Error where nothing can be drawn.
BenchRow bench_frame(const std::filesystem::path& assets);

}  // namespace headroom
