#pragma once

#include "core/figure/canvas.h"
#include "core/figure/head_window.h"

namespace headroom {

inline constexpr double kSmallestMinimap = 72, kLargestMinimap = 168;

/// The whole head, small, with what the large picture shows of it as a frame; a click or a drag moves that. `like`: the colours of the
/// large picture.
struct Minimap {
  Rect rect;  ///< a square
  TokenWindow window;
  AttentionTile like;
};
void draw_minimap(Canvas& canvas, const Minimap& map);

}  // namespace headroom
