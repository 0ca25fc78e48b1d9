#include "core/figure/number_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "core/formats/utf8.h"

namespace headroom {
namespace {

std::string digits_of(double magnitude, std::chars_format format, int decimals) {
  std::array<char, 400> text{};  // the longest double has 309 digits before the point
  const auto result = std::to_chars(text.data(), text.data() + text.size(), magnitude, format, decimals);
  return {text.data(), result.ptr};
}

bool is_zero_text(const std::string& text) { return text.find_first_not_of("0.") == std::string::npos; }

std::string not_finite(double value) { return std::isnan(value) ? "NaN" : value < 0 ? "−∞" : "∞"; }

std::string scientific(double magnitude, int decimals) {
  std::string text = digits_of(magnitude, std::chars_format::scientific, decimals);  // 1.20e-05
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(text.c_str() + e + 1);
  return text.substr(0, e) + "e" + (exponent < 0 ? "−" : "") + std::to_string(std::abs(exponent));
}

}  // namespace

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return not_finite(value);
  const std::string text = digits_of(std::abs(value), std::chars_format::fixed, decimals);
  return value < 0 && !is_zero_text(text) ? "−" + text : text;
}

std::string signed_fixed(double value, int decimals) {
  const std::string text = fixed(value, decimals);
  return value > 0 && !is_zero_text(text) ? "+" + text : text;
}

std::string compact(double value, int digits) {
  if (!std::isfinite(value)) return not_finite(value);
  const double magnitude = std::abs(value);
  if (magnitude == 0) return "0";
  const std::string sign = value < 0 ? "−" : "";
  if (magnitude < 1e-3 || magnitude >= 1e6) return sign + scientific(magnitude, digits - 1);
  const int before = static_cast<int>(std::floor(std::log10(magnitude))) + 1;
  std::string text = digits_of(magnitude, std::chars_format::fixed, std::max(0, digits - before));
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return sign + text;
}

std::string probability_text(double probability) {
  if (!std::isfinite(probability)) return not_finite(probability);
  if (probability == 0) return "0";
  return probability < 0.005 ? scientific(probability, 1) : fixed(probability, 3);
}

std::string percent_text(double share) {
  const double percent = share * 100;
  if (!(percent > 0)) return "0 %";
  if (percent < 0.1) return "< 0.1 %";
  return fixed(percent, percent < 9.95 ? 1 : 0) + " %";
}

std::string ms_text(double ms) {
  if (ms < 0.9995) return fixed(ms * 1000, 0) + " µs";
  if (ms < 999.5) return fixed(ms, ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0) + " ms";
  return fixed(ms / 1000, 2) + " s";
}

std::string count_text(std::int64_t n) {
  return n < 0 ? "−" + with_thousands(static_cast<std::uint64_t>(-n)) : with_thousands(static_cast<std::uint64_t>(n));
}

}  // namespace headroom
