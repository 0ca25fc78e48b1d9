#include "core/speed/text.h"

#include <charconv>
#include <cmath>

namespace headroom {

std::string grouped(std::int64_t n) {
  std::string text = std::to_string(n);
  for (auto at = std::ssize(text) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string plural(std::int64_t n, const std::string& what) { return grouped(n) + " " + what + (n == 1 ? "" : "s"); }

std::string number(double value) {
  if (!std::isfinite(value)) return "";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace headroom
