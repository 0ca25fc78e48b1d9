#pragma once

#include <epoxy/gl.h>
// epoxy must come before anything that includes OpenGL's own header.
#include <backends/imgui_impl_opengl3.h>
#include <gtest/gtest.h>
#include <imgui.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/painters/imgui_painter.h"
#include "app/painters/png.h"
#include "app/window/frame_stats.h"
#include "core/gl/context.h"
#include "core/tensor/error.h"

namespace headroom {

/// An off-screen framebuffer on which ImGuiPainter draws figures alone, without the views.
class PainterScene {
 public:
  PainterScene(gl::OffscreenContext& context, int width, int height, double scale) : width_(width), height_(height), scale_(scale) {
    context.make_current();
    glGenFramebuffers(1, &framebuffer_);
    glGenTextures(1, &texture_);
    glBindTexture(GL_TEXTURE_2D, texture_);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, width, height, 0, GL_RGBA, GL_UNSIGNED_BYTE, nullptr);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
    glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture_, 0);
    before_ = ImGui::GetCurrentContext();
    imgui_ = ImGui::CreateContext();
    ImGui::SetCurrentContext(imgui_);
    ImGui::GetIO().IniFilename = nullptr;
    ImGui_ImplOpenGL3_Init("#version 330 core");
    fonts_.update(scale, "");
    painter_.emplace([] {});
  }
  ~PainterScene() {
    ImGui::SetCurrentContext(imgui_);
    painter_.reset();
    ImGui_ImplOpenGL3_Shutdown();
    ImGui::DestroyContext(imgui_);
    ImGui::SetCurrentContext(before_);
    glBindFramebuffer(GL_FRAMEBUFFER, 0);
    glDeleteFramebuffers(1, &framebuffer_);
    glDeleteTextures(1, &texture_);
  }
  PainterScene(const PainterScene&) = delete;
  PainterScene& operator=(const PainterScene&) = delete;

  ImGuiPainter& painter() { return *painter_; }

  /// One frame with the figures at the top left corner, over the theme's window colour.
  Image draw(const std::vector<const Figure*>& figures, ThemeName name = ThemeName::kDark) {
    const Theme& colors = theme(name);
    ImGuiIO& io = ImGui::GetIO();
    io.DisplaySize = {static_cast<float>(width_), static_cast<float>(height_)};
    io.DeltaTime = 1.0F / 60;
    ImGui_ImplOpenGL3_NewFrame();
    ImGui::NewFrame();
    ImGui::SetNextWindowPos({0, 0});
    ImGui::SetNextWindowSize(io.DisplaySize);
    ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0);
    ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, {0, 0});  // ImGui clips to half of it.
    ImGui::Begin("scene", nullptr, ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoBackground);
    for (const Figure* figure : figures)
      painter_->draw(*figure, colors, {0, 0}, scale_);
    ImGui::End();
    ImGui::PopStyleVar(2);
    ImGui::Render();
    stats_ = {};
    count_draw_data(*ImGui::GetDrawData(), stats_);
    glViewport(0, 0, width_, height_);
    glClearColor(static_cast<float>(colors.window.r) / 255, static_cast<float>(colors.window.g) / 255,
                 static_cast<float>(colors.window.b) / 255, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
    Image image{.width = width_, .height = height_, .rgba = {}};
    std::vector<std::uint8_t> upwards(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 4);
    glReadPixels(0, 0, width_, height_, GL_RGBA, GL_UNSIGNED_BYTE, upwards.data());
    const auto stride = static_cast<std::ptrdiff_t>(width_) * 4;
    for (std::ptrdiff_t y = height_ - 1; y >= 0; --y) {
      image.rgba.insert(image.rgba.end(), upwards.begin() + y * stride, upwards.begin() + (y + 1) * stride);
    }
    return image;
  }
  Image draw(const Figure& figure, ThemeName name = ThemeName::kDark) { return draw({&figure}, name); }
  const FrameStats& stats() const { return stats_; }

 private:
  int width_, height_;
  double scale_;
  GLuint framebuffer_ = 0, texture_ = 0;
  ImGuiContext* before_ = nullptr;
  ImGuiContext* imgui_ = nullptr;
  ImGuiFonts fonts_;
  std::optional<ImGuiPainter> painter_;
  FrameStats stats_;
};

inline Color pixel(const Image& image, int x, int y) {
  const auto at = (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x)) * 4;
  return {image.rgba[at], image.rgba[at + 1], image.rgba[at + 2], 255};
}

}  // namespace headroom
