#pragma once

#include <imgui.h>

#include <span>

namespace headroom {

/// Fills a simple polygon, convex or not, given in either direction; no anti-aliasing when it is concave.
/// Edge  Fewer than 3 points: nothing. Crossing edges: some filling, no failure.
void fill_polygon(ImDrawList& list, std::span<const ImVec2> points, ImU32 color);

/// A line of dashes: each `dash` long, with gaps of two thirds of it, going on around corners.
struct Dashes {
  float width = 1, dash = 1;
};
void stroke_dashed(ImDrawList& list, std::span<const ImVec2> points, const Dashes& how, ImU32 color);

/// Diagonal lines (45 degrees, rising to the right), `spacing` apart across, cut to the rectangle.
void hatch_rect(ImDrawList& list, ImVec2 min, ImVec2 max, float spacing, float width, ImU32 color);

/// A border of `width` inside the rectangle.
void stroke_rect(ImDrawList& list, ImVec2 min, ImVec2 max, float radius, float width, ImU32 color);

}  // namespace headroom
