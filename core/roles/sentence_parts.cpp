#include "core/roles/sentence_parts.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace headroom::roles_detail {

std::string two_digits(double value) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.2f", value);
  return text.data();
}

std::string count_of_cases(std::int64_t n) { return std::to_string(n) + (n == 1 ? " case" : " cases"); }

std::string distance_text(std::int64_t offset) {
  if (offset == 0) return "at the same place";
  const std::int64_t n = std::abs(offset);
  return std::to_string(n) + (n == 1 ? " token" : " tokens") + (offset > 0 ? " before" : " after");
}

std::string tokens_text(std::int64_t tokens) {
  if (tokens < 1000) return std::to_string(tokens);
  if (tokens < 999'500) return std::to_string((tokens + 500) / 1000) + " k";
  return two_digits(static_cast<double>(tokens) / 1e6) + " M";
}

}  // namespace headroom::roles_detail
