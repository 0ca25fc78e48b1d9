#include "app/painters/imgui_painter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <utility>
#include <vector>

#include "app/painters/imgui_compat.h"
#include "app/painters/imgui_painter_atlas.h"
#include "app/painters/imgui_painter_order.h"
#include "app/painters/imgui_painter_shapes.h"
#include "app/painters/tile_colors.h"
#include "app/painters/tile_store.h"

namespace headroom {
namespace {

/// ImGui's window, and where a figure's coordinates lie in it.
struct Canvas {
  ImDrawList& list;
  const Theme& theme;
  const TextMeasurer& measurer;
  ImVec2 origin;
  float scale = 1;
  bool is_clipped = false;

  float px(double length) const { return static_cast<float>(length) * scale; }
  ImVec2 at(Point p) const { return {origin.x + px(p.x), origin.y + px(p.y)}; }
};

/// A rectangle on the grid of pixels: edges of neighbours meet, hairlines stay one pixel.
struct PixelRect {
  ImVec2 min, max;
};
PixelRect snapped(const Canvas& canvas, const Rect& rect) {
  const ImVec2 a = canvas.at({rect.x, rect.y}), b = canvas.at({rect.x + rect.w, rect.y + rect.h});
  PixelRect answer{{std::round(a.x), std::round(a.y)}, {std::round(b.x), std::round(b.y)}};
  if (rect.w > 0 && answer.max.x <= answer.min.x) answer.max.x = answer.min.x + 1;
  if (rect.h > 0 && answer.max.y <= answer.min.y) answer.max.y = answer.min.y + 1;
  return answer;
}

void draw_rect(Canvas& canvas, const FilledRect& item) {
  const PixelRect rect = snapped(canvas, item.rect);
  const float radius = canvas.px(item.radius);
  if (item.fill && item.fill->a > 0) canvas.list.AddRectFilled(rect.min, rect.max, packed(*item.fill), radius);
  if (item.stroke && item.stroke->a > 0 && item.stroke_width > 0) {
    stroke_rect(canvas.list, rect.min, rect.max, radius, std::max(1.0F, canvas.px(item.stroke_width)), packed(*item.stroke));
  }
}

void draw_polyline(Canvas& canvas, const Polyline& item) {
  std::vector<ImVec2> points(item.points.size());
  std::transform(item.points.begin(), item.points.end(), points.begin(), [&](Point p) { return canvas.at(p); });
  if (item.fill && item.fill->a > 0) fill_polygon(canvas.list, points, packed(*item.fill));
  if (item.dash > 0) {
    stroke_dashed(canvas.list, points, {std::max(1.0F, canvas.px(item.width)), std::max(2.0F, canvas.px(item.dash))},
                  packed(item.color));
  } else if (item.width > 0 && item.color.a > 0 && points.size() > 1) {
    const ImDrawFlags flags = item.is_closed ? ImDrawFlags_Closed : ImDrawFlags_None;
    canvas.list.AddPolyline(points.data(), static_cast<int>(points.size()), packed(item.color), flags,
                            std::max(1.0F, canvas.px(item.width)));
  }
}

void draw_curve(Canvas& canvas, const Curve& item) {
  if (item.color.a == 0 || item.width <= 0) return;
  canvas.list.AddBezierCubic(canvas.at(item.from), canvas.at(item.control_from), canvas.at(item.control_to), canvas.at(item.to),
                             packed(item.color), std::max(1.0F, canvas.px(item.width)));
}

void draw_text(Canvas& canvas, const TextRun& item) {
  if (item.text.empty() || item.color.a == 0) return;
  std::string text = imgui_drawable(item.text, item.face);
  if (item.max_width > 0 && canvas.measurer.width(text, item.face, item.size) > item.max_width) {
    text = shorten_middle(text, item.max_width, item.face, item.size, canvas.measurer);
  }
  ImFont* font = imgui_font(item.face, item.size);
  const float size = canvas.px(imgui_line_height(item.face, item.size));
  const char* begin = text.data();
  const char* end = begin + text.size();
  const ImVec2 extent = font->CalcTextSizeA(size, 1e9F, 0, begin, end);
  const ImVec2 anchor = canvas.at(item.at);
  const float before = item.anchor == Anchor::kLeft ? 0 : item.anchor == Anchor::kCentre ? extent.x / 2 : extent.x;
  const ImVec2 at{anchor.x - before, anchor.y - extent.y / 2};
  if (item.angle == 0) {
    canvas.list.AddText(font, size, {std::round(at.x), std::round(at.y)}, packed(item.color), begin, end);
    return;
  }
  // Drawn level, without the clip that would drop letters by where they lie now, then turned.
  const int first = canvas.list.VtxBuffer.Size;
  font->RenderText(&canvas.list, size, at, packed(item.color), ImVec4(-1e9F, -1e9F, 1e9F, 1e9F), begin, end, 0, false);
  const double angle = -item.angle * std::numbers::pi / 180;  // y grows downwards
  const auto c = static_cast<float>(std::cos(angle)), s = static_cast<float>(std::sin(angle));
  for (int i = first; i < canvas.list.VtxBuffer.Size; ++i) {
    ImVec2& p = canvas.list.VtxBuffer[i].pos;
    const float x = p.x - anchor.x, y = p.y - anchor.y;
    p = {anchor.x + c * x - s * y, anchor.y + s * x + c * y};
  }
}

void draw_ramp(Canvas& canvas, const ColorRamp& item) {
  const PixelRect rect = snapped(canvas, item.rect);
  constexpr int kSteps = 32;
  for (int i = 0; i < kSteps; ++i) {
    const float left = rect.min.x + (rect.max.x - rect.min.x) * static_cast<float>(i) / kSteps;
    const float right = rect.min.x + (rect.max.x - rect.min.x) * static_cast<float>(i + 1) / kSteps;
    const ImU32 from = packed(ramp_color(item, canvas.theme, static_cast<double>(i) / kSteps));
    const ImU32 to = packed(ramp_color(item, canvas.theme, static_cast<double>(i + 1) / kSteps));
    canvas.list.AddRectFilledMultiColor({left, rect.min.y}, {right, rect.max.y}, from, to, to, from);
  }
}

void draw_hatch(Canvas& canvas, const Hatch& item) {
  const PixelRect rect = snapped(canvas, item.rect);
  hatch_rect(canvas.list, rect.min, rect.max, canvas.px(item.spacing), std::max(1.0F, canvas.scale), packed(item.color));
}

void set_clip(Canvas& canvas, const ClipTo& item) {
  if (canvas.is_clipped) canvas.list.PopClipRect();
  canvas.is_clipped = item.rect.w > 0 && item.rect.h > 0;
  if (!canvas.is_clipped) return;
  const PixelRect rect = snapped(canvas, item.rect);
  canvas.list.PushClipRect(rect.min, rect.max, true);
}

/// Hairlines between a tile's cells, where a cell is large enough for them.
void draw_cell_grid(Canvas& canvas, const AttentionTile& item) {
  const PixelRect rect = snapped(canvas, item.rect);
  const double cell_w = item.rect.w / static_cast<double>(item.request.cols),
               cell_h = item.rect.h / static_cast<double>(item.request.rows);
  if (cell_w < 8 || cell_h < 8) return;
  const ImU32 color = packed(canvas.theme.window, 0.6);
  // A tile that others lie before has a line at its beginning too.
  for (std::int64_t i = item.request.col_begin > 0 ? 0 : 1; i < item.request.cols; ++i) {
    const float x = std::round(canvas.at({item.rect.x + cell_w * static_cast<double>(i), 0}).x);
    canvas.list.AddRectFilled({x, rect.min.y}, {x + 1, rect.max.y}, color);
  }
  for (std::int64_t i = item.request.row_begin > 0 ? 0 : 1; i < item.request.rows; ++i) {
    const float y = std::round(canvas.at({0, item.rect.y + cell_h * static_cast<double>(i)}).y);
    canvas.list.AddRectFilled({rect.min.x, y}, {rect.max.x, y + 1}, color);
  }
}

}  // namespace

struct ImGuiPainter::State {
  explicit State(std::function<void()> wake) : tiles(std::move(wake)) {}

  TileStore tiles;
  TileAtlas atlas;
  std::unique_ptr<TextMeasurer> measurer = make_imgui_measurer();
  int frame = -1;
  int tiles_drawn = 0;

  void begin_frame() {
    if (frame == ImGui::GetFrameCount()) return;
    frame = ImGui::GetFrameCount();
    tiles.begin_frame();
    atlas.begin_frame();
  }

  /// Regions of the figure's tiles, by item.
  std::vector<AtlasRegion> place_tiles(const Figure& figure, const Theme& theme) {
    std::vector<AtlasTile> wanted;
    std::vector<std::size_t> items;
    for (std::size_t i = 0; i < figure.items.size(); ++i) {
      const auto* tile = std::get_if<AttentionTile>(&figure.items[i]);
      if (tile == nullptr) continue;
      const std::shared_ptr<const Tile> own = figure.own_cells_of(*tile);
      AtlasTile& atlas_tile = wanted.emplace_back(AtlasTile{tile, own ? own : tiles.find(figure.snapshot, tile->request), nullptr});
      if (!own && figure.snapshot && needs_row_extents(*tile, std::ssize(figure.snapshot->keys())))
        atlas_tile.extents = tiles.find_extents(figure.snapshot, tile->request);
      items.push_back(i);
    }
    std::vector<AtlasRegion> regions(figure.items.size());
    if (wanted.empty()) return regions;
    const std::vector<AtlasRegion> placed = atlas.place(wanted, theme);
    for (std::size_t i = 0; i < items.size(); ++i)
      regions[items[i]] = placed[i];
    return regions;
  }

  /// Tiles of one step: one draw command.
  void draw_tiles(Canvas& canvas, const Figure& figure, const DrawStep& step, const std::vector<AtlasRegion>& regions) {
    for (const std::size_t i : step.items) {
      if (regions[i].texture != 0) continue;  // Not known yet, or pruned: never the colour of zero.
      const auto& item = std::get<AttentionTile>(figure.items[i]);
      const PixelRect rect = snapped(canvas, item.rect);
      canvas.list.AddRectFilled(rect.min, rect.max, packed(canvas.theme.masked, item.opacity));
    }
    unsigned int bound = 0;
    for (const std::size_t i : step.items) {
      const auto& item = std::get<AttentionTile>(figure.items[i]);
      const AtlasRegion& region = regions[i];
      const PixelRect rect = snapped(canvas, item.rect);
      if (region.texture == 0) continue;
      if (bound == 0) canvas.list.PushTextureID(texture_id(bound = region.texture));
      canvas.list.PrimReserve(6, 4);
      canvas.list.PrimRectUV(rect.min, rect.max, {region.u0, region.v0}, {region.u1, region.v1},
                             packed(Color{255, 255, 255, 255}, item.opacity));
      ++tiles_drawn;
    }
    if (bound != 0) canvas.list.PopTextureID();
    for (const std::size_t i : step.items) {
      const auto& item = std::get<AttentionTile>(figure.items[i]);
      if (item.shows_grid) draw_cell_grid(canvas, item);
    }
  }
};

ImGuiPainter::ImGuiPainter(std::function<void()> wake) : state_(std::make_unique<State>(std::move(wake))) {}
ImGuiPainter::~ImGuiPainter() = default;

void ImGuiPainter::draw(const Figure& figure, const Theme& theme, Point origin, double scale) {
  State& state = *state_;
  state.begin_frame();
  Canvas canvas{.list = *ImGui::GetWindowDrawList(),
                .theme = theme,
                .measurer = *state.measurer,
                .origin = {static_cast<float>(origin.x), static_cast<float>(origin.y)},
                .scale = static_cast<float>(scale)};
  const std::vector<AtlasRegion> regions = state.place_tiles(figure, theme);
  for (const DrawStep& step : drawing_order(figure)) {
    std::visit(
        [&](const auto& item) {
          using T = std::decay_t<decltype(item)>;
          if constexpr (std::is_same_v<T, AttentionTile>) state.draw_tiles(canvas, figure, step, regions);
          if constexpr (std::is_same_v<T, FilledRect>) draw_rect(canvas, item);
          if constexpr (std::is_same_v<T, Polyline>) draw_polyline(canvas, item);
          if constexpr (std::is_same_v<T, Curve>) draw_curve(canvas, item);
          if constexpr (std::is_same_v<T, TextRun>) draw_text(canvas, item);
          if constexpr (std::is_same_v<T, Hatch>) draw_hatch(canvas, item);
          if constexpr (std::is_same_v<T, ColorRamp>) draw_ramp(canvas, item);
          if constexpr (std::is_same_v<T, ClipTo>) set_clip(canvas, item);
        },
        figure.items[step.items.front()]);
  }
  if (canvas.is_clipped) canvas.list.PopClipRect();
}

bool ImGuiPainter::is_waiting() const { return state_->tiles.is_waiting(); }
double ImGuiPainter::progress() const { return state_->tiles.progress(); }
void ImGuiPainter::finish() { state_->tiles.finish(); }

ImGuiPainter::Counters ImGuiPainter::take_counters() {
  return {.tiles_drawn = std::exchange(state_->tiles_drawn, 0),
          .tiles_evaluated = state_->tiles.take_counters().evaluated,
          .bytes_uploaded = state_->atlas.take_bytes_uploaded()};
}

}  // namespace headroom
