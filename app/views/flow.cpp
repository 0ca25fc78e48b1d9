#include "app/views/flow.h"

#include <imgui.h>

namespace headroom {

Flow::Flow(const Look& look, double spacing, double row) : gap_(look.px(spacing)), row_(look.px(row)) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  left_ = x_ = at.x;
  y_ = at.y;
  right_ = at.x + ImGui::GetContentRegionAvail().x;
}

void Flow::place(float width) {
  if (x_ > left_ && x_ + width > right_) {
    x_ = left_;
    y_ += row_;
  }
  ImGui::SetCursorScreenPos(ImVec2(x_, y_));
  x_ += width + gap_;
}

void Flow::end() const {
  ImGui::SetCursorScreenPos(ImVec2(left_, y_ + row_));
  ImGui::Dummy(ImVec2(0, 0));
}

}  // namespace headroom
