#include "app/views/bar_flow.h"

#include <imgui.h>

namespace headroom {

BarFlow::BarFlow(const Look& look, const Rect& area) : look_(look), area_(area), x_(area.x), y_(area.y) {}

void BarFlow::next(double width) {
  if (x_ > area_.x && x_ + width > area_.x + area_.w) {
    x_ = area_.x;
    y_ += look_.px(30);
  }
  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(x_), static_cast<float>(y_)));
  x_ += width + look_.px(14);
}

double BarFlow::height() const { return y_ + look_.px(26) - area_.y; }

}  // namespace headroom
