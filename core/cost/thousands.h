#pragma once

#include <cstdint>
#include <string>

namespace headroom {

/// "131,072": the same in every locale.
std::string grouped_digits(std::int64_t n);
/// Three digits and a unit of a thousand: "28.1 TFLOP", "954 FLOP".
std::string flop_text(double flop);

}  // namespace headroom
