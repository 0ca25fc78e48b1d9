#include "app/painters/drawable_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

namespace headroom {
namespace {

bool is_plain(char c) { return c >= 0x20 && c < 0x7f; }

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const CodePoint invalid{0xfffd, 1, false};
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return invalid;
  char32_t value = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return invalid;
    value = (value << 6U) | (byte(i) & 0x3fU);
  }
  static constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return invalid;
  return {value, length, true};
}

std::string drawable_text(std::string_view text, const std::function<bool(char32_t)>& can_draw) {
  std::string drawable;
  drawable.reserve(text.size());
  std::array<char, 16> escaped{};
  for (std::size_t at = 0; at < text.size();) {
    if (is_plain(text[at])) {
      drawable.push_back(text[at++]);
      continue;
    }
    const CodePoint point = code_point_at(text, at);
    if (!point.is_valid) {
      std::snprintf(escaped.data(), escaped.size(), "\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(text[at])));
      drawable += escaped.data();
    } else if (point.value < 0x20 || (point.value >= 0x7f && point.value < 0xa0) || !can_draw(point.value)) {
      std::snprintf(escaped.data(), escaped.size(), "\\u{%X}", static_cast<unsigned>(point.value));
      drawable += escaped.data();
    } else {
      drawable.append(text.substr(at, point.length));
    }
    at += point.length;
  }
  return drawable;
}

}  // namespace headroom
