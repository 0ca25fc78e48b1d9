#pragma once

#include "app/widgets/look.h"

namespace headroom {

/// Places items from left to right over the panel's width, a new row when one does not fit. `spacing` and `row` are logical pixels.
class Flow {
 public:
  Flow(const Look& look, double spacing, double row);
  void place(float width);
  void end() const;

 private:
  float gap_, row_, left_ = 0, x_ = 0, y_ = 0, right_ = 0;
};

}  // namespace headroom
