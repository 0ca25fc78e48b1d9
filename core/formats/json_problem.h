#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headroom {

/// What the JSON parser found, as the end of a sentence: "is not valid JSON at byte 12: …". `position` counts from 1, as the parser does.
std::string json_problem(std::size_t position, std::string_view what);

}  // namespace headroom
