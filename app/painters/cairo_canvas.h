#pragma once

#include <cairo.h>

#include "core/figure/figure.h"

namespace headroom {

/// A Cairo context in a figure's logical pixels.
struct CairoCanvas {
  cairo_t* cairo = nullptr;
  const Figure& figure;
  const Theme& theme;
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
