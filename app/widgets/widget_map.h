#pragma once

#include <string>

namespace headroom {

/// Where each control lies on the screen, so that tests can drive a real window with a real mouse. Off (and free) unless switched on.
/// Written as JSON {"name": [x, y, w, h], ...} in pixels of the window, plus "frame" (a count) to the file named by HEADROOM_WIDGET_MAP,
/// whenever it changed after a frame.
namespace widget_map {
bool is_on();
void begin_frame();
/// Every widget wrapper calls it with a stable name: "rail/kv_heads", "stage/head L3 H7", "menu/File".
void record(const std::string& name, float x, float y, float w, float h);
void end_frame();
}  // namespace widget_map

}  // namespace headroom
