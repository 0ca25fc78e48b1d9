#include "core/figure/strip.h"

#include <algorithm>
#include <cmath>

#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kSmallestCell = 2;

std::string tooltip_of(const Strip& strip) {
  double smallest = INFINITY, largest = -INFINITY, squares = 0;
  for (const float value : strip.values) {
    smallest = std::min(smallest, static_cast<double>(value));
    largest = std::max(largest, static_cast<double>(value));
    squares += static_cast<double>(value) * value;
  }
  std::string text = strip.name + "\n" + std::to_string(strip.values.size()) + " numbers from " + fixed(smallest, 3) + " to " +
                     fixed(largest, 3) + ", length " + fixed(std::sqrt(squares), 3);
  constexpr std::size_t kMostListed = 16, kPerLine = 4;
  const std::size_t listed = std::min(kMostListed, strip.values.size());
  for (std::size_t i = 0; i < listed; ++i)
    text += (i % kPerLine == 0 ? "\n" : "  ") + fixed(strip.values[i], 3);
  if (listed < strip.values.size()) text += " …";
  return text;
}

}  // namespace

double largest_size(std::span<const float> values) {
  double largest = 0;
  for (const float value : values) {
    if (std::isfinite(value)) largest = std::max(largest, static_cast<double>(std::abs(value)));
  }
  return largest;
}

void draw_strip(Canvas& canvas, const Strip& strip) {
  if (strip.values.empty() || strip.rect.w <= 0 || strip.rect.h <= 0) return;
  const bool is_across = strip.direction == Strip::Direction::kAcross;
  const double length = is_across ? strip.rect.w : strip.rect.h;
  const std::size_t n = std::clamp<std::size_t>(static_cast<std::size_t>(length / kSmallestCell), 1,
                                                std::min(strip.values.size(), std::max<std::size_t>(1, strip.most_cells)));
  const double cell = length / static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) {
    float shown = 0;
    for (std::size_t j = i * strip.values.size() / n; j < (i + 1) * strip.values.size() / n; ++j) {
      if (std::isnan(strip.values[j]) || std::abs(strip.values[j]) > std::abs(shown)) shown = strip.values[j];
    }
    const double share = strip.largest > 0 ? shown / strip.largest : 0;
    const double at = static_cast<double>(i) * cell;
    const Rect rect = is_across ? Rect{strip.rect.x + at, strip.rect.y, cell, strip.rect.h}
                                : Rect{strip.rect.x, strip.rect.y + at, strip.rect.w, cell};
    canvas.fill(rect, diverging_color(canvas.theme(), share));
  }
  canvas.hit(
      {.shape = strip.rect, .tooltip = tooltip_of(strip), .click = {}, .double_click = {}, .ctrl_click = {}, .name = strip.name});
}

}  // namespace headroom
