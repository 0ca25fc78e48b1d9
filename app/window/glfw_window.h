#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

struct GLFWwindow;

namespace headroom {

struct FramebufferSize {
  int width = 0, height = 0;
};

/// The one window: GLFW's, with a current OpenGL context and its events gathered for the loop. No arithmetic about what is drawn.
class GlfwWindow {
 public:
  /// Logical pixels; kept within the monitor. Errors  Error with one sentence when there is no display or no OpenGL 3.3.
  GlfwWindow(int width, int height);
  ~GlfwWindow();
  GlfwWindow(const GlfwWindow&) = delete;
  GlfwWindow& operator=(const GlfwWindow&) = delete;

  GLFWwindow* handle() const;
  /// From any thread, at any time, also before there is a window or after it: the loop looks around.
  static void wake();

  bool should_close() const;
  void close();
  void stay_open();  ///< takes a wish to close back
  /// Shown, and with at least one pixel.
  bool is_drawable() const;
  double content_scale() const;  ///< of the monitor; 1 where it tells nonsense
  double pixel_ratio() const;    ///< framebuffer pixels to a unit of the window's coordinates
  FramebufferSize framebuffer() const;
  FramebufferSize logical_size() const;  ///< the window's size over the content scale

  void poll();
  void wait(double seconds);  ///< until an event, at most so long; infinite allowed
  void swap();
  void copy(const std::string& text);

  bool feed_input();      ///< hands keys and characters to ImGui; whether some are left for another frame
  bool take_had_input();  ///< whether anything came since the last call that a frame must show
  std::vector<std::filesystem::path> take_dropped();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
