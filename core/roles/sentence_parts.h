#pragma once

#include <cstdint>
#include <string>

namespace headroom::roles_detail {

/// "0.97"
std::string two_digits(double value);
/// "61 cases", "1 case"
std::string count_of_cases(std::int64_t n);
/// "3 tokens before", "1 token after", "at the same place"
std::string distance_text(std::int64_t offset);
/// "180 k", "1.20 M", "960"
std::string tokens_text(std::int64_t tokens);

}  // namespace headroom::roles_detail
