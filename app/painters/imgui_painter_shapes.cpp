#include "app/painters/imgui_painter_shapes.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace headroom {
namespace {

float cross(ImVec2 o, ImVec2 a, ImVec2 b) { return (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x); }

bool is_convex(std::span<const ImVec2> points) {
  bool has_left = false, has_right = false;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const float turn = cross(points[i], points[(i + 1) % points.size()], points[(i + 2) % points.size()]);
    has_left |= turn > 0;
    has_right |= turn < 0;
  }
  return !(has_left && has_right);
}

bool is_inside(ImVec2 p, ImVec2 a, ImVec2 b, ImVec2 c) { return cross(a, b, p) >= 0 && cross(b, c, p) >= 0 && cross(c, a, p) >= 0; }

/// The corner after which cutting it off leaves a simple polygon.
std::size_t find_ear(std::span<const ImVec2> points, const std::vector<ImDrawIdx>& ring) {
  const std::size_t n = ring.size();
  for (std::size_t i = 0; i < n; ++i) {
    const ImVec2 a = points[ring[(i + n - 1) % n]], b = points[ring[i]], c = points[ring[(i + 1) % n]];
    if (cross(a, b, c) <= 0) continue;
    const bool is_free = std::none_of(ring.begin(), ring.end(), [&](ImDrawIdx index) {
      const ImVec2 p = points[index];
      const auto is_corner = [p](ImVec2 q) { return p.x == q.x && p.y == q.y; };
      return !is_corner(a) && !is_corner(b) && !is_corner(c) && is_inside(p, a, b, c);
    });
    if (is_free) return i;
  }
  return 0;  // Crossing or degenerate edges: any corner will do, and each step still removes one.
}

}  // namespace

void fill_polygon(ImDrawList& list, std::span<const ImVec2> points, ImU32 color) {
  if (points.size() < 3 || points.size() > 8192) return;
  if (is_convex(points)) {
    list.AddConvexPolyFilled(points.data(), static_cast<int>(points.size()), color);
    return;
  }
  float area = 0;
  for (std::size_t i = 0; i < points.size(); ++i)
    area += cross(points[0], points[i], points[(i + 1) % points.size()]);
  std::vector<ImDrawIdx> ring(points.size());
  for (std::size_t i = 0; i < ring.size(); ++i)
    ring[i] = static_cast<ImDrawIdx>(area > 0 ? i : ring.size() - 1 - i);

  const auto n_triangles = static_cast<int>(points.size()) - 2;
  list.PrimReserve(n_triangles * 3, static_cast<int>(points.size()));
  const ImVec2 white = ImGui::GetFontTexUvWhitePixel();
  const unsigned int first = list._VtxCurrentIdx;
  for (const ImVec2& point : points)
    list.PrimWriteVtx(point, white, color);
  const auto write = [&](ImDrawIdx index) { list.PrimWriteIdx(static_cast<ImDrawIdx>(first + index)); };
  while (ring.size() > 2) {
    const std::size_t n = ring.size(), ear = find_ear(points, ring);
    write(ring[(ear + n - 1) % n]);
    write(ring[ear]);
    write(ring[(ear + 1) % n]);
    ring.erase(ring.begin() + static_cast<std::ptrdiff_t>(ear));
  }
}

void stroke_dashed(ImDrawList& list, std::span<const ImVec2> points, const Dashes& how, ImU32 color) {
  const float gap = how.dash * 2 / 3;
  std::vector<ImVec2> piece;
  bool is_drawn = true;
  float left = how.dash;  // until the next change between dash and gap
  const auto finish = [&] {
    if (piece.size() > 1) list.AddPolyline(piece.data(), static_cast<int>(piece.size()), color, ImDrawFlags_None, how.width);
    piece.clear();
  };
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const ImVec2 a = points[i], b = points[i + 1];
    const float length = std::hypot(b.x - a.x, b.y - a.y);
    if (is_drawn && piece.empty()) piece.push_back(a);
    for (float at = 0; at < length;) {
      const float step = std::min(left, length - at);
      at += step;
      left -= step;
      const ImVec2 here{a.x + (b.x - a.x) * at / length, a.y + (b.y - a.y) * at / length};
      if (is_drawn) piece.push_back(here);
      if (left > 0) break;  // the segment is at its end
      if (is_drawn) {
        finish();
      } else {
        piece.push_back(here);
      }
      is_drawn = !is_drawn;
      left = is_drawn ? how.dash : gap;
    }
  }
  finish();
}

void hatch_rect(ImDrawList& list, ImVec2 min, ImVec2 max, float spacing, float width, ImU32 color) {
  const float w = max.x - min.x, h = max.y - min.y;
  if (!(w > 0) || !(h > 0)) return;
  // A line through (x0 + c, bottom) to (x0 + c + h, top), cut at the left and right edges.
  const float step = std::max(spacing, 2.0F) * std::sqrt(2.0F);
  for (float c = -h + step / 2; c < w; c += step) {
    const float left = std::max(c, 0.0F), right = std::min(c + h, w);
    list.AddLine({min.x + left, max.y - (left - c)}, {min.x + right, max.y - (right - c)}, color, width);
  }
}

void stroke_rect(ImDrawList& list, ImVec2 min, ImVec2 max, float radius, float width, ImU32 color) {
  // By path rather than AddRect, whose last arguments changed places between versions.
  const float half = width / 2;
  list.PathRect({min.x + half, min.y + half}, {max.x - half, max.y - half}, std::max(0.0F, radius - half));
  list.AddPolyline(list._Path.Data, list._Path.Size, color, ImDrawFlags_Closed, width);
  list.PathClear();
}

}  // namespace headroom
