#include "core/cost/thousands.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace headroom {

std::string grouped_digits(std::int64_t n) {
  const bool is_negative = n < 0;
  std::string text = std::to_string(is_negative ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n));
  for (std::size_t from_end = 3; from_end < text.size(); from_end += 4)
    text.insert(text.size() - from_end, ",");
  return is_negative ? "-" + text : text;
}

std::string decimal_text(double value, int decimals) {
  std::array<char, 400> text{};  // the largest double has 309 digits before its point
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, decimals);
  std::string digits(text.data(), end.ptr);
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  std::size_t point = std::min(digits.find('.'), digits.size());
  while (point > first + 3) {
    point -= 3;
    digits.insert(point, ",");
  }
  return digits;
}

std::string whole_text(double n) {
  constexpr double kExact = 9e15;
  if (std::abs(n) < kExact) return grouped_digits(std::llround(n));
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), n, std::chars_format::scientific, 2);
  return {text.data(), end.ptr};
}

std::string metric_text(double value, const std::string& unit) {
  static constexpr std::array kPrefixes{"", "k", "M", "G", "T", "P", "E", "Z", "Y"};
  if (value != 0 && (std::abs(value) < 0.01 || std::abs(value) >= 999.5e24)) {
    std::array<char, 40> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific, 2);
    return std::string(text.data(), end.ptr) + " " + unit;
  }
  std::size_t prefix = 0;
  while (std::abs(value) >= 999.5 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  const bool is_whole = prefix == 0 && value == std::floor(value);
  const double size = std::abs(value);
  const int decimals = is_whole || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return decimal_text(value, decimals) + " " + kPrefixes[prefix] + unit;
}

std::string flop_text(double flop) { return metric_text(flop < 999.5 ? std::round(flop) : flop, "FLOP"); }

std::string duration_text(double seconds) {
  struct Unit {
    double seconds;
    const char* name;
  };
  static constexpr std::array kUnits{Unit{3600, "h"}, Unit{60, "min"}, Unit{1, "s"}, Unit{1e-3, "ms"}, Unit{1e-6, "µs"}};
  if (!(seconds > 0)) return "0 s";
  if (seconds > 3.6e9) return metric_text(seconds, "s");
  const Unit* unit = kUnits.data();
  while (unit->seconds > 1e-6 && seconds < unit->seconds * (unit->seconds >= 60 ? 2 : 0.9995))
    ++unit;
  const double amount = seconds / unit->seconds;
  return decimal_text(amount, amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2) + " " + unit->name;
}

}  // namespace headroom
