#pragma once

#include <cstdint>
#include <string>

namespace headroom {

/// "131,072": the same in every locale.
std::string grouped_digits(std::int64_t n);
/// Three digits and a unit of a thousand: "28.1 TFLOP", "954 FLOP".
std::string flop_text(double flop);
/// The same of any unit: "3.35 TB/s", "989 TFLOP/s", "12 tokens/s"; below one and above the largest prefix as a power of ten.
std::string metric_text(double value, const std::string& unit);
/// "1.20 s", "34.5 ms", "6.78 µs", "12.3 min", "4.00 h"
std::string duration_text(double seconds);
/// A whole number that may be larger than an integer holds: "131,072", or "1.23e+20" from 9e15 on.
std::string whole_text(double n);
/// With so many digits after the point, the same in every locale: "1,234.50".
std::string decimal_text(double value, int decimals);

}  // namespace headroom
