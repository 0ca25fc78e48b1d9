#include <epoxy/gl.h>
// epoxy must come before anything that includes OpenGL's own header.
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "app/window/gui.h"
#include "app/window/offscreen.h"
#include "app/window/window.h"
#include "core/gl/context.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr int kMaxSide = 16384;
constexpr int kMostFrames = 200;  ///< each one brings tiles nearer; a picture that never settles is drawn as it is

/// A framebuffer of 8-bit RGBA. What was bound before is bound again afterwards.
class Target {
 public:
  Target(int width, int height) : width_(width), height_(height) {
    glGetIntegerv(GL_DRAW_FRAMEBUFFER_BINDING, &before_);
    while (glGetError() != GL_NO_ERROR) {
    }
    glGenFramebuffers(1, &framebuffer_);
    glGenRenderbuffers(1, &pixels_);
    glBindRenderbuffer(GL_RENDERBUFFER, pixels_);
    glRenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8, width, height);
    glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
    glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, pixels_);
    if (glGetError() != GL_NO_ERROR || glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
      free();
      throw Error("a picture of " + std::to_string(width) + " x " + std::to_string(height) +
                  " pixels is more than this OpenGL can draw; choose a smaller size or scale");
    }
  }
  ~Target() { free(); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  Image read() const {
    Image image{.width = width_, .height = height_, .rgba = {}};
    const auto stride = static_cast<std::size_t>(width_) * 4;
    image.rgba.resize(stride * static_cast<std::size_t>(height_));
    glBindFramebuffer(GL_READ_FRAMEBUFFER, framebuffer_);
    glPixelStorei(GL_PACK_ALIGNMENT, 1);
    glReadPixels(0, 0, width_, height_, GL_RGBA, GL_UNSIGNED_BYTE, image.rgba.data());
    // OpenGL's rows go upwards.
    for (int top = 0, bottom = height_ - 1; top < bottom; ++top, --bottom) {
      const auto row = [&](int y) {
        return image.rgba.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(y) * stride);
      };
      std::swap_ranges(row(top), row(top + 1), row(bottom));
    }
    // Blending leaves the framebuffer's alpha below 1 where something translucent lies; the window itself is opaque.
    for (std::size_t i = 3; i < image.rgba.size(); i += 4)
      image.rgba[i] = 255;
    return image;
  }

 private:
  void free() {
    glBindFramebuffer(GL_FRAMEBUFFER, static_cast<GLuint>(before_));
    glDeleteFramebuffers(1, &framebuffer_);
    glDeleteRenderbuffers(1, &pixels_);
  }

  int width_, height_;
  GLint before_ = 0;
  GLuint framebuffer_ = 0, pixels_ = 0;
};

/// ImGui's current context is a global: whatever was current comes back.
struct ImGuiContextScope {
  ImGuiContext* before = ImGui::GetCurrentContext();
  ~ImGuiContextScope() { ImGui::SetCurrentContext(before); }
};

}  // namespace

OffscreenFrames draw_offscreen(const AppModel& model, Size size, double scale, int n) {
  const int width = static_cast<int>(std::lround(size.w * scale)), height = static_cast<int>(std::lround(size.h * scale));
  if (!(size.w * scale >= 1) || !(size.h * scale >= 1) || !(size.w * scale <= kMaxSide) || !(size.h * scale <= kMaxSide)) {
    throw Error("a picture's side must be 1 to " + std::to_string(kMaxSide) + " pixels; choose another size or scale");
  }
  AppModel shown = model;
  shown.scale = scale;
  const ImGuiContextScope scope;
  const Target target(width, height);
  Gui gui([] {});
  ImGuiIO& io = ImGui::GetIO();
  OffscreenFrames frames;
  for (int i = 0; i < kMostFrames && (i < n || gui.is_waiting()); ++i) {
    gui.finish();
    gui.prepare(shown, 1);
    io.DisplaySize = {static_cast<float>(width), static_cast<float>(height)};
    io.DisplayFramebufferScale = {1, 1};
    io.DeltaTime = 1.0F / 60;
    Outbox ignored;
    FrameStats stats = gui.build(shown, ignored);
    gui.render(shown, width, height, stats);
    frames.stats.push_back(stats);
  }
  frames.image = target.read();
  return frames;
}

Image render_window(const AppModel& model, Size size, double scale) {
  const auto context = gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33);
  return draw_offscreen(model, size, scale).image;
}

std::vector<FrameStats> measure_frames(const AppModel& model, Size size, double scale, int n) {
  const auto context = gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33);
  return draw_offscreen(model, size, scale, n).stats;
}

}  // namespace headroom
