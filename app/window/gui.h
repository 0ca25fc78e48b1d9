#pragma once

#include <functional>
#include <memory>

#include "app/views/frame.h"
#include "app/window/frame_stats.h"

struct ImGuiContext;

namespace headroom {

/// ImGui with its OpenGL renderer, the fonts, the painter and the views: the same for the window and off screen.
///
/// A frame: prepare(), then whoever owns the platform sets the display's size and the time, then build(), then render().
/// Threads  the one on which the OpenGL context is current.
class Gui {
 public:
  /// `wake` as ImGuiPainter's. Errors  Error when OpenGL's functions cannot be found.
  explicit Gui(std::function<void()> wake);
  ~Gui();
  Gui(const Gui&) = delete;
  Gui& operator=(const Gui&) = delete;

  /// Makes its ImGui context the current one.
  void activate();
  /// Style and fonts as the model wants them, changed only between frames. `pixel_scale`: framebuffer pixels to a unit of the display.
  void prepare(const AppModel& model, double pixel_scale);
  FrameStats build(const AppModel& model, Outbox& outbox);
  /// Clears and draws into the bound framebuffer of this many pixels.
  void render(const AppModel& model, int width, int height, FrameStats& stats);
  bool is_waiting() const;  ///< for attention tiles
  void finish();            ///< waits for them; a new frame shows them

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
