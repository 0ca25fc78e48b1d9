#pragma once

#include <cairo.h>

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "core/figure/figure.h"
#include "core/tensor/parallel.h"

namespace headroom {

/// What the tiles of one picture share while it is drawn: threads, and what rows span.
class CairoTiles {
 public:
  /// The snapshot's thumbnail when it is exactly what is asked, else evaluated. Errors  as evaluate_tile.
  Tile cells(const Snapshot& snapshot, const TileRequest& request);
  const std::vector<RowExtent>& row_extents(const Snapshot& snapshot, const TileRequest& request);

 private:
  /// Threads for what takes longer than starting them.
  ThreadPool* pool_for(double multiply_adds);

  using Rows = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, Quantity, Pooling, std::int64_t>;
  std::map<Rows, std::vector<RowExtent>> extents_;
  std::unique_ptr<ThreadPool> pool_;
};

/// A Cairo context in a figure's logical pixels.
struct CairoCanvas {
  cairo_t* cairo = nullptr;
  const Figure& figure;
  const Theme& theme;
  CairoTiles& tiles;
  double scale = 1;
  /// Pixels: edges lie on whole pixels, so that neighbours meet and hairlines are sharp. Vectors keep their exact places.
  enum class Target { kPixels, kVectors } target = Target::kPixels;
};

/// Draws every item of the figure over the theme's panel colour. Call with the font mutex held.
void draw_figure_items(const CairoCanvas& canvas);

/// A tile's cells, unsmoothed: rectangles while they are few, an image of one pixel a cell beyond.
void draw_attention_tile(const CairoCanvas& canvas, const AttentionTile& item);

/// The rectangle with its edges where the target wants them.
Rect placed(const CairoCanvas& canvas, const Rect& rect);
void set_color(cairo_t* cairo, Color color);

}  // namespace headroom
