#pragma once

#include <string>

#include "core/speed/roofline.h"

namespace headroom {

/// Bounds arithmetic, not reads.
bool is_flat(const RooflineRoof& roof);
/// "memory reads 17.2 GB/s"
std::string roof_text(const RooflineRoof& roof);
std::string roof_tooltip(const RooflineRoof& roof);
/// "flash  318 GFLOP/s · 79 %": the share is of the kernel's own roof.
std::string point_text(const RooflinePoint& point);
/// Its numbers, how each was found, and what bounds it.
std::string point_tooltip(const Roofline& roofline, const RooflinePoint& point);

}  // namespace headroom
