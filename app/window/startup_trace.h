#pragma once

namespace headroom {

/// With HEADROOM_STARTUP_TRACE set, tells on standard error when a step of the start was reached: milliseconds since the process began
/// (within 10 ms, the kernel's own resolution). Each step once.
void trace_startup(const char* step);

}  // namespace headroom
