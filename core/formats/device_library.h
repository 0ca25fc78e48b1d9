#pragma once

#include <filesystem>
#include <vector>

#include "core/cost/device.h"

namespace headroom {

/// Every device of a folder, by name. A device is one JSON object: name, memory_gib, bandwidth_gb_s, tflops {float32, float16, int8 if told},
/// link_gb_s if told, source, note if any. Memory counts 2^30 B, bandwidth 10^9 B/s, as their makers do.
/// Errors  Error naming the file that is none, or that says what no device can be.
std::vector<Device> read_device_library(const std::filesystem::path& folder);
/// One of them; its id is the file's name without ".json". Errors  As above.
Device read_device_file(const std::filesystem::path& path);

}  // namespace headroom
