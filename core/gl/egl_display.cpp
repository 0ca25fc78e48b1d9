#include "core/gl/egl_display.h"

#include <cstdio>

#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

// Extension functions come from eglGetProcAddress: libepoxy's own stubs abort the process when an extension is missing.
template <typename Function>
Function egl_function(const char* name) {
  return reinterpret_cast<Function>(eglGetProcAddress(name));
}

const char* client_extensions() { return eglQueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS); }

std::vector<EGLDeviceEXT> query_devices() {
  const auto query = egl_function<PFNEGLQUERYDEVICESEXTPROC>("eglQueryDevicesEXT");
  EGLint count = 0;
  if (!query || !query(0, nullptr, &count) || count <= 0) return {};
  std::vector<EGLDeviceEXT> devices(static_cast<std::size_t>(count));
  if (!query(count, devices.data(), &count)) return {};
  devices.resize(static_cast<std::size_t>(count));
  return devices;
}

bool is_software(EGLDeviceEXT device) {
  const auto query = egl_function<PFNEGLQUERYDEVICESTRINGEXTPROC>("eglQueryDeviceStringEXT");
  return query && has_extension(query(device, EGL_EXTENSIONS), "EGL_MESA_device_software");
}

EGLDisplay get_display(const DisplayCandidate& candidate) {
  using Kind = DisplayCandidate::Kind;
  const auto get = egl_function<PFNEGLGETPLATFORMDISPLAYEXTPROC>("eglGetPlatformDisplayEXT");
  if (candidate.kind == Kind::kDefault) return eglGetDisplay(EGL_DEFAULT_DISPLAY);
  if (!get) return EGL_NO_DISPLAY;
  if (candidate.kind == Kind::kSurfaceless) return get(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr);
  return get(EGL_PLATFORM_DEVICE_EXT, candidate.device, nullptr);
}

}  // namespace

bool has_extension(const char* names, std::string_view name) {
  if (names == nullptr) return false;
  std::string_view rest = names;
  while (!rest.empty()) {
    const std::size_t blank = rest.find(' ');
    if (rest.substr(0, blank) == name) return true;
    if (blank == std::string_view::npos) break;
    rest.remove_prefix(blank + 1);
  }
  return false;
}

std::string egl_error_text(EGLint error) {
  const char* name = "EGL error";
  switch (error) {
    case EGL_NOT_INITIALIZED:
      name = "EGL_NOT_INITIALIZED";
      break;
    case EGL_BAD_ACCESS:
      name = "EGL_BAD_ACCESS";
      break;
    case EGL_BAD_ALLOC:
      name = "EGL_BAD_ALLOC";
      break;
    case EGL_BAD_ATTRIBUTE:
      name = "EGL_BAD_ATTRIBUTE";
      break;
    case EGL_BAD_CONFIG:
      name = "EGL_BAD_CONFIG";
      break;
    case EGL_BAD_CONTEXT:
      name = "EGL_BAD_CONTEXT";
      break;
    case EGL_BAD_DISPLAY:
      name = "EGL_BAD_DISPLAY";
      break;
    case EGL_BAD_MATCH:
      name = "EGL_BAD_MATCH";
      break;
    case EGL_BAD_PARAMETER:
      name = "EGL_BAD_PARAMETER";
      break;
    default:
      break;
  }
  char text[64];
  std::snprintf(text, sizeof text, "%s (0x%04x)", name, static_cast<unsigned>(error));
  return text;
}

std::vector<DisplayCandidate> display_candidates() {
  using Kind = DisplayCandidate::Kind;
  if (!epoxy_has_egl()) {
    throw Error("OpenGL cannot be used without a window: libEGL was not found; install libegl1 and libegl-mesa0 (Debian names)");
  }
  const char* extensions = client_extensions();
  if (!has_extension(extensions, "EGL_EXT_platform_base")) {
    throw Error(
        "OpenGL cannot be used without a window: no EGL driver is installed; install libegl-mesa0 or the graphics card's driver");
  }
  std::vector<DisplayCandidate> candidates;
  if (has_extension(extensions, "EGL_EXT_platform_device")) {
    std::vector<DisplayCandidate> software;
    for (EGLDeviceEXT device : query_devices()) {
      if (is_software(device)) {
        software.push_back({Kind::kSoftwareDevice, device});
      } else {
        candidates.push_back({Kind::kHardwareDevice, device});
      }
    }
    candidates.insert(candidates.end(), software.begin(), software.end());
  }
  if (has_extension(extensions, "EGL_MESA_platform_surfaceless")) candidates.push_back({Kind::kSurfaceless, nullptr});
  candidates.push_back({Kind::kDefault, nullptr});
  return candidates;
}

EglDisplay::EglDisplay(const DisplayCandidate& candidate) {
  display_ = get_display(candidate);
  if (display_ == EGL_NO_DISPLAY) throw Error("EGL has no such display: " + egl_error_text(eglGetError()));
  if (!eglInitialize(display_, nullptr, nullptr)) throw Error("EGL could not start the display: " + egl_error_text(eglGetError()));
}

bool EglDisplay::has(std::string_view extension) const {
  return has_extension(eglQueryString(display_, EGL_EXTENSIONS), extension);
}

}  // namespace headroom::gl
