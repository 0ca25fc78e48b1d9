#pragma once

#include <cstdint>
#include <vector>

#include "app/views/model.h"

struct ImDrawData;

namespace headroom {

/// What one frame cost. Counts are exact; times are measured.
struct FrameStats {
  int draw_calls = 0;  ///< commands given to OpenGL
  std::int64_t vertices = 0, indices = 0;
  std::int64_t bytes_uploaded = 0;  ///< vertices, indices and texture cells
  int tiles_drawn = 0, tiles_evaluated = 0;
  double cpu_ms = 0;     ///< processor time of building the frame: views, figures, painter, ImGui; without the driver
  double driver_ms = 0;  ///< processor time of handing it to OpenGL on this thread
};

/// Draw calls, vertices and bytes of what ImGui::Render left.
void count_draw_data(const ImDrawData& data, FrameStats& stats);

/// Draws `n` frames of the window off screen and returns the cost of each; the first ones also build what later ones reuse.
/// Errors  Error when no off-screen OpenGL can be had.
std::vector<FrameStats> measure_frames(const AppModel& model, Size size, double scale, int n);

/// Processor time of the calling thread, milliseconds.
double thread_cpu_ms();

}  // namespace headroom
