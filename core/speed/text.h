#pragma once

#include <cstdint>
#include <string>

namespace headroom {

/// "1,024"
std::string grouped(std::int64_t n);
/// "1 head", "1,024 tokens"
std::string plural(std::int64_t n, const std::string& what);
/// The shortest text that reads back as the same number, "." as the decimal point in every locale; "" for what is no number.
std::string number(double value);

}  // namespace headroom
