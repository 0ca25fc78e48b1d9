#pragma once

#include <vector>

#include "core/figure/views.h"

namespace headroom {

/// Where the parts of the Speed stage lie: the figure and the buttons over it agree by this.
struct SpeedPanel {
  SpeedSection section = SpeedSection::kLadder;
  Rect rect;
};
struct SpeedLayout {
  Rect header;
  std::vector<SpeedPanel> panels;      ///< as many as have room, the ladder first
  std::vector<SpeedSection> left_out;  ///< parts without room
};
SpeedLayout lay_out_speed(Size size, SpeedSection section);
/// Room that a panel's title leaves at the right for the button that measures it again.
inline constexpr double kSpeedButtonWidth = 128;
/// "ladder", "roofline", "time over n", "CPU and GPU": as tabs and sentences call a part.
const char* speed_section_name(SpeedSection section);

}  // namespace headroom
