#pragma once

#include <string>
#include <utility>

#include "app/views/frame.h"
#include "app/views/state.h"
#include "app/widgets/look.h"

namespace headroom {

/// One frame, as every view sees it: what is shown, how it looks, where answers go.
struct Frame {
  const AppModel& model;
  const Session& session;
  const Snapshot* snapshot;  ///< may be null
  const Theme& theme;
  Look look;
  UiScratch::State& state;
  ImGuiPainter& painter;
  Outbox& out;

  void send(Action action, std::string group = {}) const { out.actions.push_back({std::move(action), std::move(group)}); }
  void command(Command command) const { out.commands.push_back(std::move(command)); }
  /// A frame is needed after at most so many seconds.
  void wake_after(double seconds) const {
    if (seconds < out.redraw_after) out.redraw_after = seconds;
  }
};

// One file a view. Each draws into the current ImGui window.
void draw_menu_bar(const Frame& frame);
void draw_rail(const Frame& frame);
void draw_stage(const Frame& frame);
/// The Speed stage below its tab: what is measured, buttons, the figure. area in ImGui's screen coordinates.
void draw_speed(const Frame& frame, const Rect& area);
/// The Card stage below its tab: a model's numbers with their arithmetic, or its tensors. area in ImGui's screen coordinates.
void draw_card(const Frame& frame, const Rect& area);
/// The Decode stage below its tab: one of its sections. area in ImGui's screen coordinates.
void draw_decode(const Frame& frame, const Rect& area);
/// The Cost stage below its tab: a plan on a device, or its arithmetic. area in ImGui's screen coordinates.
void draw_cost(const Frame& frame, const Rect& area);
/// The Train stage below its tab: loss, roles, time line and heads. area in ImGui's screen coordinates.
void draw_train(const Frame& frame, const Rect& area);
void draw_inspector(const Frame& frame);
void draw_strip(const Frame& frame);
void draw_dialogs(const Frame& frame);
void draw_toasts(const Frame& frame);
void handle_keys(const Frame& frame);

/// The rail while a capture is open: its text, and what the controls that are off would change.
void draw_capture_rail(const Frame& frame);

// The rail's sections.
void rail_sentence(const Frame& frame);
void rail_tokens(const Frame& frame);
void rail_model(const Frame& frame);
void rail_shape(const Frame& frame);
void rail_attention(const Frame& frame);
void rail_pruning(const Frame& frame);
void rail_backend(const Frame& frame);

}  // namespace headroom
