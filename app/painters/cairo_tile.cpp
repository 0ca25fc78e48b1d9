#include <cairo.h>

#include <cstring>
#include <vector>

#include "app/painters/cairo_canvas.h"
#include "app/painters/tile_colors.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kMaxRectangles = 4096;

/// The snapshot's thumbnail when it is exactly what is asked, else evaluated.
Tile tile_of(const Snapshot& snapshot, const TileRequest& request) {
  const auto layer = static_cast<std::size_t>(request.layer), head = static_cast<std::size_t>(request.head);
  if (layer < snapshot.thumbnails.size() && head < snapshot.thumbnails[layer].size() &&
      snapshot.thumbnails[layer][head].request == request) {
    return snapshot.thumbnails[layer][head];
  }
  return evaluate_tile(*snapshot.trace, request);
}

void draw_rectangles(const CairoCanvas& canvas, const AttentionTile& item, const std::vector<std::uint8_t>& rgba) {
  const Rect area = placed(canvas, item.rect);
  const auto cols = static_cast<std::size_t>(item.request.cols), rows = static_cast<std::size_t>(item.request.rows);
  const bool is_vector = canvas.target == CairoCanvas::Target::kVectors;
  const auto edge = [&](double begin, double length, std::size_t i, std::size_t n) {
    const double at = begin + length * static_cast<double>(i) / static_cast<double>(n);
    return is_vector || i == n ? at : placed(canvas, {at, at, 0, 0}).x;
  };
  const auto color_at = [&](std::size_t cell) {
    return Color{rgba[4 * cell], rgba[4 * cell + 1], rgba[4 * cell + 2], rgba[4 * cell + 3]};
  };
  // A viewer smooths each rectangle's edge on its own, which would let the background shine through between neighbours: each reaches a
  // little under the ones that are drawn after it.
  const double overlap = is_vector ? 0.15 : 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const double top = edge(area.y, area.h, r, rows), bottom = edge(area.y, area.h, r + 1, rows) + (r + 1 < rows ? overlap : 0);
    for (std::size_t c = 0; c < cols;) {
      const Color color = color_at(r * cols + c);
      std::size_t end = c + 1;
      while (end < cols && color_at(r * cols + end) == color)
        ++end;
      const double left = edge(area.x, area.w, c, cols), right = edge(area.x, area.w, end, cols) + (end < cols ? overlap : 0);
      set_color(canvas.cairo, color);
      cairo_rectangle(canvas.cairo, left, top, right - left, bottom - top);
      cairo_fill(canvas.cairo);
      c = end;
    }
  }
}

void draw_image(const CairoCanvas& canvas, const AttentionTile& item, const std::vector<std::uint8_t>& rgba) {
  const Rect area = placed(canvas, item.rect);
  const int cols = static_cast<int>(item.request.cols), rows = static_cast<int>(item.request.rows);
  cairo_surface_t* image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, cols, rows);
  unsigned char* pixels = cairo_image_surface_get_data(image);
  if (pixels == nullptr) {
    cairo_surface_destroy(image);
    throw Error("there is not enough memory for the picture");
  }
  const int stride = cairo_image_surface_get_stride(image);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) {
      const std::uint8_t* color =
          rgba.data() + 4 * (static_cast<std::size_t>(r) * static_cast<std::size_t>(cols) + static_cast<std::size_t>(c));
      const std::uint32_t packed =
          (static_cast<std::uint32_t>(color[0]) << 16U) | (static_cast<std::uint32_t>(color[1]) << 8U) | color[2];
      std::memcpy(pixels + r * stride + c * 4, &packed, 4);
    }
  }
  cairo_surface_mark_dirty(image);
  cairo_save(canvas.cairo);
  cairo_rectangle(canvas.cairo, area.x, area.y, area.w, area.h);
  cairo_clip(canvas.cairo);
  cairo_translate(canvas.cairo, area.x, area.y);
  cairo_scale(canvas.cairo, area.w / cols, area.h / rows);
  cairo_set_source_surface(canvas.cairo, image, 0, 0);
  cairo_pattern_set_filter(cairo_get_source(canvas.cairo), CAIRO_FILTER_NEAREST);
  cairo_pattern_set_extend(cairo_get_source(canvas.cairo), CAIRO_EXTEND_PAD);
  cairo_paint(canvas.cairo);
  cairo_restore(canvas.cairo);
  cairo_surface_destroy(image);
}

void draw_hairlines(const CairoCanvas& canvas, const AttentionTile& item) {
  const double cell_w = item.rect.w / static_cast<double>(item.request.cols),
               cell_h = item.rect.h / static_cast<double>(item.request.rows);
  if (cell_w < 8 || cell_h < 8) return;
  const double width = 1 / canvas.scale;
  set_color(canvas.cairo, with_alpha(canvas.theme.window, 0.6));
  for (std::int64_t i = 1; i < item.request.cols; ++i) {
    const double x = placed(canvas, {item.rect.x + cell_w * static_cast<double>(i), 0, 0, 0}).x;
    cairo_rectangle(canvas.cairo, x, item.rect.y, width, item.rect.h);
  }
  for (std::int64_t i = 1; i < item.request.rows; ++i) {
    const double y = placed(canvas, {0, item.rect.y + cell_h * static_cast<double>(i), 0, 0}).y;
    cairo_rectangle(canvas.cairo, item.rect.x, y, item.rect.w, width);
  }
  cairo_fill(canvas.cairo);
}

}  // namespace

void draw_attention_tile(const CairoCanvas& canvas, const AttentionTile& item) {
  const Snapshot* snapshot = canvas.figure.snapshot.get();
  if (snapshot == nullptr || snapshot->trace == nullptr || item.rect.w <= 0 || item.rect.h <= 0 || item.opacity <= 0) return;
  const Tile tile = tile_of(*snapshot, item.request);
  std::vector<std::uint8_t> rgba(static_cast<std::size_t>(item.request.rows * item.request.cols * 4));
  color_tile(item, tile, canvas.theme, rgba);
  const bool is_faint = item.opacity < 1;
  if (is_faint) cairo_push_group(canvas.cairo);
  const bool is_few = item.request.rows * item.request.cols <= kMaxRectangles;
  is_few ? draw_rectangles(canvas, item, rgba) : draw_image(canvas, item, rgba);
  if (item.shows_grid) draw_hairlines(canvas, item);
  if (is_faint) {
    cairo_pop_group_to_source(canvas.cairo);
    cairo_paint_with_alpha(canvas.cairo, item.opacity);
  }
}

}  // namespace headroom
