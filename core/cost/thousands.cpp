#include "core/cost/thousands.h"

#include <array>
#include <cmath>

namespace headroom {

std::string grouped_digits(std::int64_t n) {
  const bool is_negative = n < 0;
  std::string text = std::to_string(is_negative ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n));
  for (std::size_t from_end = 3; from_end < text.size(); from_end += 4)
    text.insert(text.size() - from_end, ",");
  return is_negative ? "-" + text : text;
}

std::string flop_text(double flop) {
  static constexpr std::array kUnits{"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP", "ZFLOP", "YFLOP"};
  std::size_t unit = 0;
  while (flop >= 999.5 && unit + 1 < kUnits.size()) {
    flop /= 1000;
    ++unit;
  }
  // Digits from an integer: the same in every locale.
  const int decimals = unit == 0 || flop >= 99.95 ? 0 : flop >= 9.995 ? 1 : 2;
  const std::int64_t scale = decimals == 0 ? 1 : decimals == 1 ? 10 : 100;
  const std::int64_t digits = std::llround(flop * static_cast<double>(scale));
  std::string text = std::to_string(digits / scale);
  if (decimals > 0) {
    const std::string fraction = std::to_string(digits % scale);
    text += '.' + std::string(static_cast<std::size_t>(decimals) - fraction.size(), '0') + fraction;
  }
  return text + ' ' + kUnits[unit];
}

}  // namespace headroom
