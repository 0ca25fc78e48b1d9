#pragma once

#include "app/views/figures.h"

namespace headroom {

/// Wheel and drags over the stage: zoomed about the pointer, moved with it; the overview beside a zoomed head moves it too. Arcs, which
/// have no zoom, are moved by the wheel.
void wheel_and_drag(const Frame& frame, const Rect& area, const FigureAnswer& answer);

// The same by keys.
bool is_zoomed(const Frame& frame);
bool can_zoom(const Frame& frame);  ///< closer
void zoom_step(const Frame& frame, double factor);
/// By a quarter of what is seen, in the directions of the signs.
void pan_step(const Frame& frame, int right, int down);

}  // namespace headroom
