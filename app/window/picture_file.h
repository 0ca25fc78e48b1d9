#pragma once

#include <string>

#include "app/painters/cairo_painter.h"
#include "app/painters/png.h"

namespace headroom {

/// The picture as a PNG, or embedded whole in an SVG or PDF of width / scale by height / scale points. Deterministic.
std::string picture_file(const Image& image, FigureFormat format, double scale);

}  // namespace headroom
