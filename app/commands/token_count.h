#pragma once

#include <cstdint>
#include <string>

namespace headroom {

/// "200000", "200k", "1.5M", "2G": a number of tokens as a person writes it. Errors  UsageError naming the option.
std::int64_t parse_token_count(const std::string& text, const std::string& option);

}  // namespace headroom
