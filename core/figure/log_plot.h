#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/figure/canvas.h"

namespace headroom {

/// A logarithmic axis; low and high are positive and low < high.
struct LogAxis {
  double low = 1, high = 10;
  double share(double value) const;  ///< 0 at low, 1 at high
};
/// Around the values with a little room at both ends; not finite and not positive ones are left out. [1, 10] when none is left.
LogAxis axis_around(const std::vector<double>& values);

/// Powers of ten in the axis; with 2 and 5 times them where they are few.
std::vector<double> decimal_ticks(const LogAxis& axis);
/// Powers of two (1, 32, 1024, ... or each 1024th) in the axis: bytes.
std::vector<double> byte_ticks(const LogAxis& axis);

/// Both axes, and where they lie on the canvas.
struct LogPlot {
  Rect rect;  ///< of the curves; labels of the axes lie outside
  LogAxis x, y;
  Point at(double x_value, double y_value) const;
  Rect cover(double x_value, double y_value, double radius) const;  ///< around a marker
};

struct AxisTicks {
  std::vector<double> values;
  std::function<std::string(double)> text;
  std::string title;  ///< "FLOP/byte moved, counted"
};
/// Grid, ticks and titles around the curves inside `area`. Labels that would touch each other are left out.
LogPlot draw_axes(Canvas& canvas, const Rect& area, const LogAxis& x, const LogAxis& y, const AxisTicks& x_ticks,
                  const AxisTicks& y_ticks);

/// Finds room for words: what is placed or blocked is never covered again.
class LabelPlacer {
 public:
  explicit LabelPlacer(const Rect& bounds) : bounds_(bounds) {}
  void block(const Rect& rect) { taken_.push_back(rect); }
  /// A line, so that words do not lie across it: blocked in small pieces.
  enum class Crossing { kForbidden, kAllowed };  ///< whether a line that leads to words may cross it
  void block_line(Point from, Point to, double thickness = 3, Crossing crossing = Crossing::kForbidden);
  bool is_free(const Rect& rect) const;
  bool is_line_free(Point from, Point to) const;  ///< nothing lies on it that may not be crossed
  /// The first free one becomes taken.
  std::optional<Rect> place(const std::vector<Rect>& candidates);
  /// Rectangles of this size around a point, nearest first; near: no farther than needs a line to it.
  enum class Reach { kNear, kFar };
  static std::vector<Rect> around(Point at, Size size, Reach reach);

 private:
  Rect bounds_;
  std::vector<Rect> taken_, crossable_;
};

/// Colour is never the only sign: each kernel has a shape too.
enum class Marker { kSquare, kDisc, kRing, kTriangle, kHollowTriangle, kDiamond, kCross };
void draw_marker(Canvas& canvas, Point at, Marker marker, Color color);
inline constexpr double kMarkerRadius = 4.5;

/// Colour and shape by which a kernel or backend is known in every picture of the Speed stage.
struct KernelSign {
  Color color;
  Marker marker = Marker::kDisc;
};
KernelSign kernel_sign(const Theme& theme, const std::string& kernel);

}  // namespace headroom
