#pragma once

#include <optional>
#include <string>

#include "core/figure/log_plot.h"

namespace headroom {

/// How something looks in a plot: its key shows a sample.
struct KeySign {
  enum class Kind { kArea, kSolid, kDashed } kind = Kind::kSolid;
  Color color;
  std::optional<Marker> marker;  ///< on the line
  double width = 2;
};
inline constexpr double kKeyDash = 5;

/// The samples of a plot from left to right, in new lines where they do not fit.
class PlotKey {
 public:
  /// area.y is the top.
  PlotKey(Canvas& canvas, const Rect& area) : canvas_(canvas), area_(area), x_(area.x), y_(area.y) {}
  void add(const std::string& text, const KeySign& sign, const std::string& tooltip = {});
  double bottom() const { return y_ + kSmallLine + 4; }

 private:
  Canvas& canvas_;
  Rect area_;
  double x_, y_;
};

}  // namespace headroom
