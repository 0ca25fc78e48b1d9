#include "core/gl/context.h"

#include <epoxy/egl.h>
#include <epoxy/gl.h>

#include <string>
#include <vector>

#include "core/gl/egl_display.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

struct Version {
  int major = 0, minor = 0;
};

/// A configuration for OpenGL; EGL_NO_CONFIG_KHR where the display needs none. Null only when there is none at all.
EGLConfig choose_config(const EglDisplay& display, EGLint surface_type) {
  const EGLint attributes[] = {EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_SURFACE_TYPE, surface_type, EGL_NONE};
  EGLConfig config = nullptr;
  EGLint count = 0;
  if (!eglChooseConfig(display.get(), attributes, &config, 1, &count) || count < 1) return nullptr;
  return config;
}

EGLContext create_context(const EglDisplay& display, EGLConfig config, Version version) {
  const EGLint attributes[] = {EGL_CONTEXT_MAJOR_VERSION_KHR,
                               version.major,
                               EGL_CONTEXT_MINOR_VERSION_KHR,
                               version.minor,
                               EGL_CONTEXT_OPENGL_PROFILE_MASK_KHR,
                               EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT_KHR,
                               EGL_NONE};
  return eglCreateContext(display.get(), config, EGL_NO_CONTEXT, attributes);
}

}  // namespace

struct OffscreenContext::Handles {
  explicit Handles(const DisplayCandidate& candidate) : display(candidate) {}
  ~Handles() {
    eglBindAPI(EGL_OPENGL_API);
    if (context != EGL_NO_CONTEXT && eglGetCurrentContext() == context) {
      eglMakeCurrent(display.get(), EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
    }
    if (surface != EGL_NO_SURFACE) eglDestroySurface(display.get(), surface);
    if (context != EGL_NO_CONTEXT) eglDestroyContext(display.get(), context);
    // Frees EGL's state of this thread, unless the thread still draws elsewhere.
    if (eglGetCurrentContext() == EGL_NO_CONTEXT) eglReleaseThread();
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  /// Errors  Error when this display has no such context.
  void create(Version version) {
    if (!eglBindAPI(EGL_OPENGL_API)) throw Error("this EGL display has no desktop OpenGL");
    const bool is_surfaceless = display.has("EGL_KHR_surfaceless_context");
    EGLConfig config = choose_config(display, is_surfaceless ? 0 : EGL_PBUFFER_BIT);
    if (config == nullptr && !(is_surfaceless && display.has("EGL_KHR_no_config_context"))) {
      throw Error("this EGL display has no configuration for OpenGL");
    }
    context = create_context(display, config, version);
    if (context == EGL_NO_CONTEXT) throw Error(egl_error_text(eglGetError()));
    if (!is_surfaceless) {
      const EGLint size[] = {EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
      surface = eglCreatePbufferSurface(display.get(), config, size);
      if (surface == EGL_NO_SURFACE) throw Error(egl_error_text(eglGetError()));
    }
  }

  EglDisplay display;
  EGLContext context = EGL_NO_CONTEXT;
  EGLSurface surface = EGL_NO_SURFACE;
};

OffscreenContext::OffscreenContext() = default;

OffscreenContext::~OffscreenContext() = default;

std::unique_ptr<OffscreenContext> OffscreenContext::open(Need need) {
  const std::vector<DisplayCandidate> candidates = display_candidates();
  const std::vector<Version> versions =
      need == Need::kCompute43 ? std::vector<Version>{{4, 3}} : std::vector<Version>{{4, 3}, {3, 3}};
  std::string failure;  // of the best candidate: the default display at the end fails for reasons of its own
  for (const Version version : versions) {
    for (const DisplayCandidate& candidate : candidates) {
      try {
        std::unique_ptr<OffscreenContext> context(new OffscreenContext());
        context->handles_ = std::make_unique<Handles>(candidate);
        context->handles_->create(version);
        context->make_current();
        context->facts_ = current_facts();
        return context;
      } catch (const Error& error) {
        if (failure.empty()) failure = error.what();
      }
    }
  }
  const std::string version = need == Need::kCompute43 ? "4.3" : "3.3";
  throw Error("No OpenGL " + version + " here (" + failure +
              "): install the graphics card's driver, or libegl-mesa0 and libgl1-mesa-dri for software rendering");
}

void OffscreenContext::make_current() {
  eglBindAPI(EGL_OPENGL_API);
  if (eglGetCurrentContext() == handles_->context) return;
  if (!eglMakeCurrent(handles_->display.get(), handles_->surface, handles_->surface, handles_->context)) {
    throw Error("The OpenGL context could not be made current: " + egl_error_text(eglGetError()));
  }
}

void OffscreenContext::release_current() {
  eglBindAPI(EGL_OPENGL_API);
  if (eglGetCurrentContext() != handles_->context) return;
  eglMakeCurrent(handles_->display.get(), EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
}

}  // namespace headroom::gl
