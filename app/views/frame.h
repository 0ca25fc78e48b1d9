#pragma once

#include <memory>

#include "app/painters/imgui_painter.h"
#include "app/views/model.h"

namespace headroom {

/// The views' own memory: text buffers, scroll, open dialogs, what the pointer is over. Never a value of the Session.
class UiScratch {
 public:
  UiScratch();
  ~UiScratch();
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// The whole interface of one frame, between ImGui::NewFrame and ImGui::Render: menus, rail, stage, inspector, strip, dialogs, keys.
/// Reads `model`, draws, and puts what the person did into `outbox`.
void draw_frame(const AppModel& model, UiScratch& scratch, ImGuiPainter& painter, Outbox& outbox);

/// ImGui's style for a theme at a scale.
void apply_style(const Theme& theme, double scale);

}  // namespace headroom
