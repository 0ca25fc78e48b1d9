#pragma once

#include <string>
#include <vector>

#include "core/figure/canvas.h"
#include "core/session/speed.h"

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

// Each draws one part into area, measured or not: in the same layout, greyed, with what will be measured and why.
void draw_ladder(Canvas& canvas, const Rect& area, const SpeedState& state);
void draw_roofline(Canvas& canvas, const Rect& area, const SpeedState& state);
void draw_growth(Canvas& canvas, const Rect& area, const SpeedState& state);
void draw_devices(Canvas& canvas, const Rect& area, const SpeedState& state);
void draw_speed_section(Canvas& canvas, const Rect& area, SpeedSection section, const SpeedState& state);

/// A part's title with how it stands ("measured, 2 threads", "not measured yet", "measuring now"), then the sentence of its last failure.
struct SpeedTitle {
  SpeedSection section = SpeedSection::kLadder;
  std::string title;     ///< "OPTIMISATION LADDER"
  std::string measured;  ///< details; empty: not measured yet
};
/// Returns the height used.
double draw_speed_title(Canvas& canvas, const Rect& area, const SpeedTitle& title, const SpeedState& state);
/// What will be measured and why it is worth it, on a plate in the middle of a part without figures.
void draw_speed_promise(Canvas& canvas, const Rect& area, const std::string& heading, const std::string& sentence);

/// "4.2 GFLOP/s", "182 GFLOP/s"
std::string gflops_text(double gflops);
/// "6.2×", "1,240×"
std::string times_text(double ratio);

}  // namespace headroom
