#include "app/commands/token_count.h"

#include <charconv>
#include <cmath>

#include "app/commands/command.h"
#include "core/formats/file.h"

namespace headroom {

std::int64_t parse_token_count(const std::string& text, const std::string& option) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, value);
  double unit = 1;
  const std::string letter(next, end);
  if (letter == "k" || letter == "K") unit = 1e3;
  if (letter == "m" || letter == "M") unit = 1e6;
  if (letter == "g" || letter == "G") unit = 1e9;
  const bool is_number = error == std::errc() && (letter.empty() || unit > 1);
  const double tokens = std::round(value * unit);
  constexpr double kMost = 1e15;
  if (!is_number || !(tokens >= 1) || tokens > kMost)
    throw UsageError(option + " " + escape_for_display(text, 60) + ": it should be a number of tokens, e.g. 200000, 200k or 1.5M");
  return static_cast<std::int64_t>(tokens);
}

}  // namespace headroom
