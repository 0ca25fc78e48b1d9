#include "app/window/glfw_window.h"

#include <epoxy/gl.h>
// epoxy must come before anything that includes OpenGL's own header.
#define GLFW_INCLUDE_NONE
#include <GLFW/glfw3.h>
#include <backends/imgui_impl_glfw.h>
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string_view>
#include <utility>

#include "app/window/input_queue.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Whether GLFW can take an event from another thread: not before its start or after its end.
struct Wakeable {
  std::mutex mutex;
  bool is_on = false;
};
Wakeable& wakeable() {
  static Wakeable the_one;
  return the_one;
}
void set_wakeable(bool is_on) {
  const std::scoped_lock lock(wakeable().mutex);
  wakeable().is_on = is_on;
}

std::string last_glfw_error() {
  const char* text = nullptr;
  glfwGetError(&text);
  return text == nullptr ? "no reason given" : text;
}

GLFWwindow* try_version(int major, int minor, int width, int height) {
  glfwDefaultWindowHints();
  glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, major);
  glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, minor);
  glfwWindowHint(GLFW_OPENGL_PROFILE, GLFW_OPENGL_CORE_PROFILE);
  glfwWindowHint(GLFW_OPENGL_FORWARD_COMPAT, GLFW_TRUE);  // macOS gives no other
  glfwWindowHint(GLFW_DEPTH_BITS, 0);
  glfwWindowHint(GLFW_STENCIL_BITS, 0);
  glfwWindowHint(GLFW_SCALE_TO_MONITOR, GLFW_TRUE);
  glfwWindowHintString(GLFW_X11_CLASS_NAME, "headroom");
  glfwWindowHintString(GLFW_X11_INSTANCE_NAME, "headroom");
  return glfwCreateWindow(width, height, "Headroom", nullptr, nullptr);
}

double sane_scale(float scale) { return std::isfinite(scale) && scale > 0 ? std::clamp(static_cast<double>(scale), 0.5, 4.0) : 1; }

/// GLFW's library, ended with the window.
struct Library {
  Library() {
    if (glfwInit() != GLFW_TRUE) {
      throw Error("no window can be opened (" + last_glfw_error() +
                  "); start it in a graphical session, or use `headroom export` which needs no display");
    }
  }
  ~Library() { glfwTerminate(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
};

}  // namespace

struct GlfwWindow::State {
  Library library;
  GLFWwindow* window = nullptr;
  InputQueue input;
  bool had_input = true;
  float content_scale = 1;
  std::vector<std::filesystem::path> dropped;

  ~State() {
    if (window != nullptr) glfwDestroyWindow(window);
  }

  static State& of(GLFWwindow* window) {
    State& state = *static_cast<State*>(glfwGetWindowUserPointer(window));
    state.had_input = true;
    return state;
  }

  void install_callbacks() {
    glfwSetWindowUserPointer(window, this);
    glfwSetKeyCallback(window, [](GLFWwindow* w, int key, int scancode, int action, int mods) {
      of(w).input.push_key(key, scancode, action, mods);
    });
    glfwSetCharCallback(window, [](GLFWwindow* w, unsigned int character) { of(w).input.push_character(character); });
    glfwSetMouseButtonCallback(window, [](GLFWwindow* w, int button, int action, int mods) {
      of(w);
      ImGui_ImplGlfw_MouseButtonCallback(w, button, action, mods);
    });
    glfwSetScrollCallback(window, [](GLFWwindow* w, double dx, double dy) {
      of(w);
      ImGui_ImplGlfw_ScrollCallback(w, dx, dy);
    });
    glfwSetWindowFocusCallback(window, [](GLFWwindow* w, int is_focused) {
      of(w);
      ImGui_ImplGlfw_WindowFocusCallback(w, is_focused);
    });
    glfwSetCursorEnterCallback(window, [](GLFWwindow* w, int has_entered) {
      of(w);
      ImGui_ImplGlfw_CursorEnterCallback(w, has_entered);
    });
    glfwSetCursorPosCallback(window, [](GLFWwindow* w, [[maybe_unused]] double x, [[maybe_unused]] double y) {
      of(w);
#if IMGUI_VERSION_NUM >= 18700
      ImGui_ImplGlfw_CursorPosCallback(w, x, y);
#endif
    });
    glfwSetWindowContentScaleCallback(window, [](GLFWwindow* w, float x, float y) { of(w).content_scale = std::max(x, y); });
    glfwSetFramebufferSizeCallback(window, [](GLFWwindow* w, int, int) { of(w); });
    glfwSetWindowRefreshCallback(window, [](GLFWwindow* w) { of(w); });
    glfwSetWindowIconifyCallback(window, [](GLFWwindow* w, int) { of(w); });
    glfwSetDropCallback(window, [](GLFWwindow* w, int n, const char** paths) {
      State& state = of(w);
      state.dropped.insert(state.dropped.end(), paths, paths + n);
    });
  }
};

GlfwWindow::GlfwWindow(int width, int height) : state_(std::make_unique<State>()) {
  if (GLFWmonitor* monitor = glfwGetPrimaryMonitor()) {
    int x = 0, y = 0, w = 0, h = 0;
    glfwGetMonitorWorkarea(monitor, &x, &y, &w, &h);
    float scale_x = 1, scale_y = 1;
    glfwGetMonitorContentScale(monitor, &scale_x, &scale_y);
    const double scale = sane_scale(std::max(scale_x, scale_y));
    if (w > 0 && h > 0) {
      width = std::min(width, static_cast<int>(w / scale));
      height = std::min(height, static_cast<int>(h / scale));
    }
  }
  std::string why;
  for (const auto& [major, minor] : {std::pair{4, 3}, std::pair{3, 3}}) {
    if ((state_->window = try_version(major, minor, width, height)) != nullptr) break;
    why = last_glfw_error();
  }
  if (state_->window == nullptr) {
    throw Error("OpenGL 3.3 could not be had from this display (" + why +
                "); update the graphics driver, or start with LIBGL_ALWAYS_SOFTWARE=1, or use `headroom export`");
  }
  glfwSetWindowSizeLimits(state_->window, 320, 240, GLFW_DONT_CARE, GLFW_DONT_CARE);
  glfwMakeContextCurrent(state_->window);
  glfwSwapInterval(1);
  float x = 1, y = 1;
  glfwGetWindowContentScale(state_->window, &x, &y);
  state_->content_scale = std::max(x, y);
  state_->install_callbacks();
  set_wakeable(true);
}

GlfwWindow::~GlfwWindow() { set_wakeable(false); }

GLFWwindow* GlfwWindow::handle() const { return state_->window; }

void GlfwWindow::wake() {
  const std::scoped_lock lock(wakeable().mutex);
  if (wakeable().is_on) glfwPostEmptyEvent();
}

bool GlfwWindow::should_close() const { return glfwWindowShouldClose(state_->window) == GLFW_TRUE; }
void GlfwWindow::close() { glfwSetWindowShouldClose(state_->window, GLFW_TRUE); }
void GlfwWindow::stay_open() { glfwSetWindowShouldClose(state_->window, GLFW_FALSE); }

bool GlfwWindow::is_drawable() const {
  const FramebufferSize size = framebuffer();
  return size.width > 0 && size.height > 0 && glfwGetWindowAttrib(state_->window, GLFW_ICONIFIED) == GLFW_FALSE;
}

double GlfwWindow::content_scale() const { return sane_scale(state_->content_scale); }

double GlfwWindow::pixel_ratio() const {
  int width = 0, height = 0;
  glfwGetWindowSize(state_->window, &width, &height);
  const FramebufferSize pixels = framebuffer();
  return width > 0 && pixels.width > 0 ? static_cast<double>(pixels.width) / width : 1;
}

FramebufferSize GlfwWindow::framebuffer() const {
  FramebufferSize size;
  glfwGetFramebufferSize(state_->window, &size.width, &size.height);
  return size;
}

FramebufferSize GlfwWindow::logical_size() const {
  const FramebufferSize pixels = framebuffer();
  return {static_cast<int>(std::lround(pixels.width / content_scale())),
          static_cast<int>(std::lround(pixels.height / content_scale()))};
}

void GlfwWindow::poll() { glfwPollEvents(); }

void GlfwWindow::wait(double seconds) {
  if (std::isinf(seconds)) {
    glfwWaitEvents();
  } else {
    glfwWaitEventsTimeout(std::max(seconds, 0.001));
  }
}

void GlfwWindow::swap() { glfwSwapBuffers(state_->window); }
void GlfwWindow::copy(const std::string& text) { glfwSetClipboardString(state_->window, text.c_str()); }
bool GlfwWindow::feed_input() { return state_->input.feed(state_->window); }
bool GlfwWindow::take_had_input() { return std::exchange(state_->had_input, false); }
std::vector<std::filesystem::path> GlfwWindow::take_dropped() { return std::exchange(state_->dropped, {}); }

}  // namespace headroom
