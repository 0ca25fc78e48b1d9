#pragma once

#include <epoxy/egl.h>

#include <string>
#include <string_view>
#include <vector>

namespace headroom::gl {

/// One way to reach OpenGL without a window.
struct DisplayCandidate {
  enum class Kind { kHardwareDevice, kSoftwareDevice, kSurfaceless, kDefault };
  Kind kind = Kind::kDefault;
  EGLDeviceEXT device = nullptr;  ///< set for the two device kinds
};

/// True when the blank-separated list `names` holds `name` as a whole word.
bool has_extension(const char* names, std::string_view name);

/// Candidates in the order to try: hardware devices, software devices, surfaceless, the default display.
/// Errors  Error when there is no libEGL, or one without EGL_EXT_platform_base (libepoxy would abort on it later).
std::vector<DisplayCandidate> display_candidates();

/// An initialised EGLDisplay. EGL hands out one per device and process, so it is shared, and it stays until the process ends: terminating
/// it would pull it from under other contexts, and would unload the driver only to load it again, which takes a tenth of a second.
class EglDisplay {
 public:
  /// Errors  Error when the display cannot be had or initialised.
  explicit EglDisplay(const DisplayCandidate& candidate);

  EGLDisplay get() const { return display_; }
  bool has(std::string_view extension) const;

 private:
  EGLDisplay display_ = EGL_NO_DISPLAY;
};

/// "EGL_BAD_MATCH (0x3009)"
std::string egl_error_text(EGLint error);

}  // namespace headroom::gl
