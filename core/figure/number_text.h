#pragma once

#include <cstdint>
#include <string>

namespace headroom {

/// Numbers as figures print them: the same in every locale, "−" as the minus sign, "0.00" never with a minus.
std::string fixed(double value, int decimals);
/// With a sign always: "+0.12", "−0.12", "0.00".
std::string signed_fixed(double value, int decimals);
/// About `digits` significant digits without trailing zeros; large and tiny values in powers of ten.
std::string compact(double value, int digits = 3);
/// "0.83"; below 0.005 "4.1e−5", so that small is never shown as nothing. Exactly zero is "0".
std::string probability_text(double probability);
/// "12 %", "0.4 %", "< 0.1 %"
std::string percent_text(double share);
/// "1.86 ms", "420 µs", "2.1 s"
std::string ms_text(double ms);
/// "4,096"
std::string count_text(std::int64_t n);

}  // namespace headroom
