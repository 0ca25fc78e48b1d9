#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "app/painters/png.h"
#include "app/views/model.h"

namespace headroom {

struct WindowOptions {
  std::filesystem::path assets;
  std::optional<Session> session;             ///< opened at start; default: the bundled model
  std::filesystem::path session_path;         ///< where it came from, for Save
  std::optional<std::filesystem::path> open;  ///< a model folder or session file given on the command line
};

/// Opens the window and runs until it is closed. Returns the process's exit status.
/// Errors  Error with one sentence when there is no display or no OpenGL 3.3.
int run_window(const WindowOptions& options);

/// The window's picture without a display (EGL), on the very code that draws the window.
/// Shapes  size in logical pixels; the image has size * scale pixels. Errors  Error when no off-screen OpenGL can be had.
Image render_window(const AppModel& model, Size size, double scale);

}  // namespace headroom
