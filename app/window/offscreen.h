#pragma once

#include "app/painters/png.h"
#include "app/views/model.h"
#include "app/window/frame_stats.h"

namespace headroom {

struct OffscreenFrames {
  Image image;                    ///< of the last frame
  std::vector<FrameStats> stats;  ///< of each
};
/// Draws at least `n` frames, and on until no attention tile is awaited, in the OpenGL context that is current on this thread; its state and
/// ImGui's current context are as before afterwards. Time stands still, so the same model gives the same bytes.
/// Shapes  as render_window. Errors  Error when the size is out of range or the graphics memory does not suffice.
OffscreenFrames draw_offscreen(const AppModel& model, Size size, double scale, int n = 3);

}  // namespace headroom
