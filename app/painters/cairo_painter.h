#pragma once

#include <memory>
#include <string>

#include "core/figure/figure.h"

namespace headroom {

enum class FigureFormat { kPng, kSvg, kPdf };

/// The figure as a file's bytes; needs no display and no OpenGL. PNG is size * scale pixels; SVG and PDF are vectors (tiles as exact
/// embedded cells, text as text or outlines), scale only sets their nominal size. Deterministic: no date, no random ids.
/// Errors  Error when a side is over 16384 pixels.
std::string render_figure(const Figure& figure, const Theme& theme, FigureFormat format, double scale);

std::unique_ptr<TextMeasurer> make_cairo_measurer();

}  // namespace headroom
