#include "app/window/frame_stats.h"

#include <imgui.h>

#include <ctime>

namespace headroom {

void count_draw_data(const ImDrawData& data, FrameStats& stats) {
  stats.draw_calls = 0;
  for (int i = 0; i < data.CmdListsCount; ++i) {
    for (const ImDrawCmd& command : data.CmdLists[i]->CmdBuffer) {
      // The renderer skips commands that are empty or wholly outside.
      const bool is_visible = command.ClipRect.z > command.ClipRect.x && command.ClipRect.w > command.ClipRect.y;
      if (command.UserCallback != nullptr || (command.ElemCount > 0 && is_visible)) ++stats.draw_calls;
    }
  }
  stats.vertices = data.TotalVtxCount;
  stats.indices = data.TotalIdxCount;
  stats.bytes_uploaded +=
      stats.vertices * static_cast<std::int64_t>(sizeof(ImDrawVert)) + stats.indices * static_cast<std::int64_t>(sizeof(ImDrawIdx));
}

double thread_cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

}  // namespace headroom
