#pragma once

#include <string>

#include "core/figure/canvas.h"
#include "core/figure/speed_layout.h"

namespace headroom {

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
