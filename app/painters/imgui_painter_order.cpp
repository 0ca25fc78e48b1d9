#include "app/painters/imgui_painter_order.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace headroom {
namespace {

constexpr double kWidestLetter = 0.75;  ///< of the em, on average over a text; bytes count as letters, so scripts are overestimated

struct Bounds {
  double left = std::numeric_limits<double>::infinity(), top = left, right = -left, bottom = -left;

  void add(Point p, double around) {
    left = std::min(left, p.x - around);
    right = std::max(right, p.x + around);
    top = std::min(top, p.y - around);
    bottom = std::max(bottom, p.y + around);
  }
  bool meets(const Rect& rect) const {
    return left < rect.x + rect.w && rect.x < right && top < rect.y + rect.h && rect.y < bottom;
  }
};

/// What an item may cover, rather too large than too small.
struct Reach {
  Bounds operator()(const FilledRect& item) const { return of(item.rect); }
  Bounds operator()(const Hatch& item) const { return of(item.rect); }
  Bounds operator()(const ColorRamp& item) const { return of(item.rect); }
  Bounds operator()(const AttentionTile& item) const { return of(item.rect); }
  Bounds operator()(const ClipTo& item) const { return of(item.rect); }
  Bounds operator()(const Polyline& item) const {
    Bounds bounds;
    for (const Point p : item.points)
      bounds.add(p, item.width);
    return bounds;
  }
  Bounds operator()(const Curve& item) const {
    Bounds bounds;
    for (const Point p : {item.from, item.control_from, item.control_to, item.to})
      bounds.add(p, item.width);
    return bounds;
  }
  Bounds operator()(const TextRun& item) const {
    double width = kWidestLetter * item.size * static_cast<double>(item.text.size());
    if (item.max_width > 0) width = std::min(width, item.max_width);
    const double share = item.anchor == Anchor::kLeft ? 0 : item.anchor == Anchor::kCentre ? 0.5 : 1;
    const double angle = -item.angle * std::numbers::pi / 180, c = std::cos(angle), s = std::sin(angle);
    Bounds bounds;
    for (const double along : {-share * width, (1 - share) * width}) {
      for (const double across : {-0.6 * item.size, 0.6 * item.size}) {
        bounds.add({item.at.x + c * along - s * across, item.at.y + s * along + c * across}, 0);
      }
    }
    return bounds;
  }
  static Bounds of(const Rect& rect) {
    Bounds bounds;
    bounds.add({rect.x, rect.y}, 0);
    bounds.add({rect.x + rect.w, rect.y + rect.h}, 0);
    return bounds;
  }
};

}  // namespace

std::vector<DrawStep> drawing_order(const Figure& figure) {
  std::vector<DrawStep> steps;
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::size_t batch = kNone;  // the step that takes tiles
  std::vector<Bounds> since;  // what was drawn after it
  for (std::size_t i = 0; i < figure.items.size(); ++i) {
    const Item& item = figure.items[i];
    if (std::holds_alternative<ClipTo>(item)) {
      batch = kNone;
    } else if (const auto* tile = std::get_if<AttentionTile>(&item)) {
      const bool is_free =
          batch != kNone && std::none_of(since.begin(), since.end(), [&](const Bounds& b) { return b.meets(tile->rect); });
      if (is_free) {
        steps[batch].items.push_back(i);
        continue;
      }
      batch = steps.size();
      since.clear();
    } else if (batch != kNone) {
      since.push_back(std::visit(Reach{}, item));
    }
    steps.push_back({{i}});
  }
  return steps;
}

}  // namespace headroom
