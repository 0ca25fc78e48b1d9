#pragma once

#include <string>

namespace headroom {

/// "69.0 B", "124 M": about three digits.
std::string short_count(double n);
/// "320 KiB": about three digits.
std::string short_bytes_text(double bytes);

}  // namespace headroom
