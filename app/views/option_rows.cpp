#include "app/views/option_rows.h"

#include <algorithm>
#include <numeric>

namespace headroom {

float row_width(std::span<const float> widths, float space) {
  if (widths.empty()) return 0;
  return std::accumulate(widths.begin(), widths.end(), 0.0f) + space * static_cast<float>(widths.size() - 1);
}

OptionRows rows_for(std::span<const float> widths, float room, const OptionSpaces& spaces) {
  if (row_width(widths, spaces.wide) <= room) return {.space = spaces.wide};
  if (const float more = row_width(widths, spaces.tight) - room; more <= spaces.give)
    return {.space = spaces.tight, .less = std::max(more, 0.0f)};
  const auto longer = [&](std::size_t second) {
    return std::max(row_width(widths.first(second), spaces.wide), row_width(widths.subspan(second), spaces.wide));
  };
  OptionRows rows{.space = spaces.wide, .second = 1};
  for (std::size_t second = 2; second < widths.size(); ++second) {
    if (longer(second) < longer(rows.second)) rows.second = second;
  }
  return rows;
}

}  // namespace headroom
