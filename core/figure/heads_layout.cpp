#include "core/figure/heads_layout.h"

#include <algorithm>
#include <cmath>

namespace headroom {
namespace {

/// A few heads on a large screen: beyond this a tile tells no more.
constexpr double kLargestTile = 480;

double gap_for(double pitch) { return pitch >= 96 ? 12 : pitch >= 40 ? 8 : pitch >= 16 ? 4 : pitch >= 6 ? 2 : 1; }

/// Whole pixels once there are enough of them: tiles of one size, edges sharp.
double rounded_side(double side) { return side >= 8 ? std::floor(side) : std::max(side, 0.5); }

struct FlowTry {
  std::size_t cols = 1, rows = 1;
  double side = 0;
};

}  // namespace

HeadsLayout lay_out_grid(const GridShape& shape, Size room) {
  HeadsLayout layout;
  const std::int64_t n_cols = (shape.n_heads + shape.fold - 1) / shape.fold;
  const double cols = static_cast<double>(n_cols), rows = static_cast<double>(shape.n_layers * shape.fold);
  const double pitch = std::min(room.w / cols, room.h / rows);
  // With badges first; when the tiles become too small for words, without.
  layout.gap = gap_for(pitch);
  const auto side_with = [&](double below) {
    return std::min((room.w - layout.gap * (cols - 1)) / cols, (room.h - layout.gap * (rows - 1)) / rows - below);
  };
  layout.has_badges = side_with(kBadgeHeight) >= kSmallestBadgedTile;
  const double below = layout.has_badges ? kBadgeHeight : 0;
  layout.side = rounded_side(std::min(side_with(below), kLargestTile));
  const double pitch_y = layout.side + layout.gap + below;
  for (std::int64_t l = 0; l < shape.n_layers; ++l) {
    for (std::int64_t h = 0; h < shape.n_heads; ++h) {
      const std::int64_t line = l * shape.fold + h / n_cols;
      layout.places.push_back({{l, h},
                               {static_cast<double>(h % n_cols) * (layout.side + layout.gap), static_cast<double>(line) * pitch_y,
                                layout.side, layout.side}});
    }
  }
  layout.content = {cols * (layout.side + layout.gap) - layout.gap, rows * pitch_y - layout.gap};
  return layout;
}

HeadsLayout lay_out_flow(const std::vector<HeadRef>& order, Size room) {
  const std::size_t n = std::max<std::size_t>(1, order.size());
  HeadsLayout layout;
  const auto best_for = [&](double gap, double text) {
    FlowTry best;
    for (std::size_t cols = 1; cols <= n; ++cols) {
      const std::size_t rows = (n + cols - 1) / cols;
      const double side = std::min((room.w - gap * static_cast<double>(cols - 1)) / static_cast<double>(cols),
                                   (room.h - gap * static_cast<double>(rows - 1)) / static_cast<double>(rows) - text);
      if (side > best.side) best = {cols, rows, side};
    }
    return best;
  };
  constexpr double kText = kNameHeight + kBadgeHeight;
  FlowTry best = best_for(8, kText);
  layout.has_badges = layout.has_names = best.side >= kSmallestBadgedTile;
  layout.gap = 8;
  if (!layout.has_badges) {
    layout.gap = gap_for(best_for(0, 0).side);
    best = best_for(layout.gap, 0);
  }
  layout.side = rounded_side(std::min(best.side, kLargestTile));
  const double top = layout.has_names ? kNameHeight : 0, below = layout.has_badges ? kBadgeHeight : 0;
  const double pitch_y = layout.side + layout.gap + top + below;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t line = i / best.cols;
    const auto col = static_cast<double>(i % best.cols), row = static_cast<double>(line);
    layout.places.push_back({order[i], {col * (layout.side + layout.gap), row * pitch_y + top, layout.side, layout.side}});
  }
  layout.content = {static_cast<double>(best.cols) * (layout.side + layout.gap) - layout.gap,
                    static_cast<double>(best.rows) * pitch_y - layout.gap};
  return layout;
}

HeadsLayout lay_out_groups(const std::vector<HeadsGroup>& groups, Size room) {
  const auto columns_at = [&](double side, double gap) {
    return std::max<std::size_t>(1, static_cast<std::size_t>(std::max(0.0, std::floor((room.w + gap) / (side + gap)))));
  };
  const auto height_at = [&](double side, double gap, double text) {
    double height = 0;
    for (const HeadsGroup& group : groups) {
      const std::size_t cols = columns_at(side, gap), rows = (group.heads.size() + cols - 1) / cols;
      height += kGroupHeadingHeight + static_cast<double>(rows) * (side + text + gap);
    }
    return height;
  };
  // The largest side that fits, to half a pixel.
  const auto best_side = [&](double gap, double text) {
    double low = 0.5, high = std::min(kLargestTile, room.w);
    while (high - low > 0.25) {
      const double side = (low + high) / 2;
      (height_at(side, gap, text) <= room.h ? low : high) = side;
    }
    return low;
  };
  HeadsLayout layout;
  constexpr double kText = kNameHeight + kBadgeHeight;
  layout.gap = 8;
  layout.side = best_side(layout.gap, kText);
  layout.has_badges = layout.has_names = layout.side >= kSmallestBadgedTile;
  if (!layout.has_badges) {
    layout.gap = gap_for(best_side(0, 0));
    layout.side = best_side(layout.gap, 0);
  }
  layout.side = rounded_side(layout.side);
  const double top = layout.has_names ? kNameHeight : 0, below = layout.has_badges ? kBadgeHeight : 0;
  const std::size_t n_cols = columns_at(layout.side, layout.gap);
  double y = 0;
  for (const HeadsGroup& group : groups) {
    layout.headings.push_back({y + kGroupHeadingHeight / 2, group.title});
    y += kGroupHeadingHeight;
    for (std::size_t i = 0; i < group.heads.size(); ++i) {
      const auto col = static_cast<double>(i % n_cols), row = static_cast<double>(i / n_cols);
      layout.places.push_back(
          {group.heads[i],
           {col * (layout.side + layout.gap), y + row * (layout.side + layout.gap + top + below) + top, layout.side, layout.side}});
      layout.content.w = std::max(layout.content.w, (col + 1) * (layout.side + layout.gap) - layout.gap);
    }
    const std::size_t n_rows = (group.heads.size() + n_cols - 1) / n_cols;
    y += static_cast<double>(n_rows) * (layout.side + layout.gap + top + below);
  }
  layout.content.h = y - layout.gap;
  return layout;
}

}  // namespace headroom
