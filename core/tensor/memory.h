#pragma once

#include <cstdint>

namespace headroom {

/// Bytes of memory that this machine has; the largest integer where the system does not tell.
std::int64_t machine_bytes();
/// Bytes that a program could take now without driving the machine into swapping, as the system estimates; where it does not, machine_bytes.
std::int64_t free_bytes();

}  // namespace headroom
