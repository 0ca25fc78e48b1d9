#pragma once

#include "app/widgets/look.h"

namespace headroom {

/// Lays controls of a bar above a stage from left to right and wraps them. Units  ImGui's pixels.
class BarFlow {
 public:
  BarFlow(const Look& look, const Rect& area);
  /// The cursor goes where a control so wide belongs.
  void next(double width);
  double rest() const { return area_.x + area_.w - x_; }
  double height() const;

 private:
  const Look& look_;
  Rect area_;
  double x_, y_;
};

}  // namespace headroom
