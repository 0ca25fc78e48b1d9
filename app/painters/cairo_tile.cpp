#include <cairo.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "app/painters/cairo_canvas.h"
#include "app/painters/tile_colors.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kMaxRectangles = 4096;

/// The cells of a tile that are drawn, and their colours, row by row from the first.
struct Cells {
  std::int64_t row_begin = 0, row_end = 0, col_begin = 0, col_end = 0;
  std::vector<std::uint8_t> rgba;  ///< of the whole tile

  std::int64_t count() const {
    return std::max<std::int64_t>(0, row_end - row_begin) * std::max<std::int64_t>(0, col_end - col_begin);
  }
};

/// Those that the clip lets through: of a block at the edge of a zoomed picture a few.
void keep_unclipped(const CairoCanvas& canvas, const AttentionTile& item, Cells& cells) {
  double left = 0, top = 0, right = 0, bottom = 0;
  cairo_clip_extents(canvas.cairo, &left, &top, &right, &bottom);
  const auto keep = [](double begin, double length, std::pair<double, double> clip, std::int64_t n) {
    const double cell = length / static_cast<double>(n);
    const auto first = static_cast<std::int64_t>(std::floor((clip.first - begin) / cell)) - 1;
    const auto last = static_cast<std::int64_t>(std::ceil((clip.second - begin) / cell)) + 1;
    return std::pair{std::clamp<std::int64_t>(first, 0, n), std::clamp<std::int64_t>(last, 0, n)};
  };
  std::tie(cells.col_begin, cells.col_end) = keep(item.rect.x, item.rect.w, {left, right}, item.request.cols);
  std::tie(cells.row_begin, cells.row_end) = keep(item.rect.y, item.rect.h, {top, bottom}, item.request.rows);
}

void draw_rectangles(const CairoCanvas& canvas, const AttentionTile& item, const Cells& cells) {
  const Rect area = placed(canvas, item.rect);
  const std::int64_t cols = item.request.cols, rows = item.request.rows;
  const bool is_vector = canvas.target == CairoCanvas::Target::kVectors;
  const auto edge = [&](double begin, double length, std::int64_t i, std::int64_t n) {
    const double at = begin + length * static_cast<double>(i) / static_cast<double>(n);
    return is_vector || i == n ? at : placed(canvas, {at, at, 0, 0}).x;
  };
  const auto color_at = [&](std::int64_t row, std::int64_t col) {
    const auto at = 4 * static_cast<std::size_t>(row * cols + col);
    return Color{cells.rgba[at], cells.rgba[at + 1], cells.rgba[at + 2], cells.rgba[at + 3]};
  };
  // A viewer smooths each rectangle's edge on its own, which would let the background shine through between neighbours: each reaches a
  // little under the ones that are drawn after it.
  const double overlap = is_vector ? 0.15 : 0;
  for (std::int64_t r = cells.row_begin; r < cells.row_end; ++r) {
    const double top = edge(area.y, area.h, r, rows), bottom = edge(area.y, area.h, r + 1, rows) + (r + 1 < rows ? overlap : 0);
    for (std::int64_t c = cells.col_begin; c < cells.col_end;) {
      const Color color = color_at(r, c);
      std::int64_t end = c + 1;
      while (end < cells.col_end && color_at(r, end) == color)
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

/// Multiply-adds of a request's rows against so many keys.
double work_of(const Snapshot& snapshot, const TileRequest& request, std::int64_t n_keys) {
  const auto d_head = static_cast<double>(snapshot.trace->layers[static_cast<std::size_t>(request.layer)].d_head);
  return static_cast<double>(request.row_end - request.row_begin) * static_cast<double>(n_keys) * d_head;
}

void draw_hairlines(const CairoCanvas& canvas, const AttentionTile& item) {
  const double cell_w = item.rect.w / static_cast<double>(item.request.cols),
               cell_h = item.rect.h / static_cast<double>(item.request.rows);
  if (cell_w < 8 || cell_h < 8) return;
  const double width = 1 / canvas.scale;
  set_color(canvas.cairo, with_alpha(canvas.theme.window, 0.6));
  // A tile that others lie before has a line at its beginning too.
  for (std::int64_t i = item.request.col_begin > 0 ? 0 : 1; i < item.request.cols; ++i) {
    const double x = placed(canvas, {item.rect.x + cell_w * static_cast<double>(i), 0, 0, 0}).x;
    cairo_rectangle(canvas.cairo, x, item.rect.y, width, item.rect.h);
  }
  for (std::int64_t i = item.request.row_begin > 0 ? 0 : 1; i < item.request.rows; ++i) {
    const double y = placed(canvas, {0, item.rect.y + cell_h * static_cast<double>(i), 0, 0}).y;
    cairo_rectangle(canvas.cairo, item.rect.x, y, item.rect.w, width);
  }
  cairo_fill(canvas.cairo);
}

}  // namespace

ThreadPool* CairoTiles::pool_for(double multiply_adds) {
  constexpr double kWorthThreads = 2e7;
  if (multiply_adds < kWorthThreads) return nullptr;
  if (!pool_) pool_ = std::make_unique<ThreadPool>();
  return pool_.get();
}

Tile CairoTiles::cells(const Snapshot& snapshot, const TileRequest& request) {
  const auto layer = static_cast<std::size_t>(request.layer), head = static_cast<std::size_t>(request.head);
  if (layer < snapshot.thumbnails.size() && head < snapshot.thumbnails[layer].size() &&
      snapshot.thumbnails[layer][head].request == request) {
    return snapshot.thumbnails[layer][head];
  }
  return evaluate_tile(*snapshot.trace, request, {}, pool_for(work_of(snapshot, request, request.col_end - request.col_begin)));
}

const std::vector<RowExtent>& CairoTiles::row_extents(const Snapshot& snapshot, const TileRequest& request) {
  const std::int64_t cell = request.pooling == Pooling::kMax ? 1 : (request.col_end - request.col_begin) / request.cols;
  const Rows rows{request.layer, request.head,     request.row_begin, request.row_end,
                  request.rows,  request.quantity, request.pooling,   cell};
  const auto found = extents_.find(rows);
  if (found != extents_.end()) return found->second;
  ThreadPool* pool = pool_for(work_of(snapshot, request, std::ssize(snapshot.trace->ids)));
  return extents_[rows] = headroom::row_extents(*snapshot.trace, request, {}, pool);
}

void draw_attention_tile(const CairoCanvas& canvas, const AttentionTile& item) {
  const Snapshot* snapshot = canvas.figure.snapshot.get();
  const std::shared_ptr<const Tile> own = canvas.figure.own_cells_of(item);
  const bool has_source = own != nullptr || (snapshot != nullptr && snapshot->trace != nullptr);
  if (!has_source || item.rect.w <= 0 || item.rect.h <= 0 || item.opacity <= 0) return;
  Cells cells;
  keep_unclipped(canvas, item, cells);
  if (cells.count() == 0) return;
  const Tile tile = own != nullptr ? *own : canvas.tiles.cells(*snapshot, item.request);
  cells.rgba.resize(static_cast<std::size_t>(item.request.rows * item.request.cols * 4));
  const bool has_wide_rows =
      own == nullptr && !tile.values.empty() && needs_row_extents(item, std::ssize(snapshot->keys()));
  color_tile(item,
             {tile, has_wide_rows ? std::span<const RowExtent>(canvas.tiles.row_extents(*snapshot, item.request))
                                  : std::span<const RowExtent>()},
             canvas.theme, cells.rgba);
  const bool is_faint = item.opacity < 1;
  if (is_faint) cairo_push_group(canvas.cairo);
  cells.count() <= kMaxRectangles ? draw_rectangles(canvas, item, cells) : draw_image(canvas, item, cells.rgba);
  if (item.shows_grid) draw_hairlines(canvas, item);
  if (is_faint) {
    cairo_pop_group_to_source(canvas.cairo);
    cairo_paint_with_alpha(canvas.cairo, item.opacity);
  }
}

}  // namespace headroom
