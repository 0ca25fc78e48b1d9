#include "app/window/window.h"

#include <epoxy/gl.h>
// epoxy must come before anything that includes OpenGL's own header.
#define GLFW_INCLUDE_NONE
#include <GLFW/glfw3.h>
#include <backends/imgui_impl_glfw.h>
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <thread>

#include "app/painters/fonts.h"
#include "app/window/export.h"
#include "app/window/glfw_window.h"
#include "app/window/gpu_provider.h"
#include "app/window/gui.h"
#include "app/window/offscreen.h"
#include "app/window/picture_file.h"
#include "app/window/program.h"
#include "app/window/signals.h"
#include "app/window/startup_trace.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// ImGui needs a frame to see an input, one to lay out what follows from it, and one for what that in turn moved.
constexpr int kSettleFrames = 3;
/// A text box's caret blinks a little slower than twice a second.
constexpr double kCaretSeconds = 0.4;

/// ImGui's side of the platform, shut down before the window that it listens to.
class GlfwPlatform {
 public:
  GlfwPlatform(Gui& gui, GlfwWindow& window) : gui_(gui) {
    gui_.activate();
    // Our callbacks are installed already and hand on what ImGui needs; keys go through a queue of our own.
    ImGui_ImplGlfw_InitForOpenGL(window.handle(), false);
  }
  ~GlfwPlatform() {
    gui_.activate();
    ImGui_ImplGlfw_Shutdown();
  }
  GlfwPlatform(const GlfwPlatform&) = delete;
  GlfwPlatform& operator=(const GlfwPlatform&) = delete;

 private:
  Gui& gui_;
};

void print_stats(const FrameStats& stats) {
  std::fprintf(stderr,
               "frame: %d draw calls, %lld vertices, %lld bytes uploaded, %d tiles (%d evaluated), %.3f ms ours, %.3f ms driver\n",
               stats.draw_calls, static_cast<long long>(stats.vertices), static_cast<long long>(stats.bytes_uploaded),
               stats.tiles_drawn, stats.tiles_evaluated, stats.cpu_ms, stats.driver_ms);
}

/// The loop: draws when something happened, sleeps otherwise.
class Loop {
 public:
  Loop(Program& program, GlfwWindow& window, const Signals& signals)
      : program_(program), window_(window), signals_(signals), gui_([] { GlfwWindow::wake(); }), platform_(gui_, window) {}

  void run() {
    while (signals_.received() == 0) {
      if (window_.should_close()) {
        if (program_.may_close()) break;
        window_.stay_open();
        frames_left_ = kSettleFrames;
      }
      receive();
      if (window_.is_drawable()) {
        draw();
      } else {
        frames_left_ = 0;  // Minimised or without a size: nothing to draw until that changes.
        redraw_after_ = std::numeric_limits<double>::infinity();
      }
      wait();
    }
  }

 private:
  void receive() {
    program_.set_monitor_scale(window_.content_scale() / window_.pixel_ratio());
    program_.update(glfwGetTime());
    for (const auto& path : window_.take_dropped())
      program_.open(path);
  }

  void draw() {
    gui_.activate();
    const bool has_more_input = window_.feed_input();
    gui_.prepare(program_.model(), window_.pixel_ratio());
    ImGui_ImplGlfw_NewFrame();
    Outbox outbox;
    FrameStats stats = gui_.build(program_.model(), outbox);
    const FramebufferSize size = window_.framebuffer();
    gui_.render(program_.model(), size.width, size.height, stats);
    window_.swap();
    trace_startup("first frame shown");
    if (program_.model().snapshot) trace_startup("first picture shown");
    if (prints_stats_) print_stats(stats);

    frames_left_ = std::max(0, frames_left_ - 1);
    if (!outbox.actions.empty() || !outbox.commands.empty() || has_more_input)
      frames_left_ = std::max(frames_left_, kSettleFrames - 1);
    redraw_after_ = outbox.redraw_after;
    if (ImGui::GetIO().WantTextInput) redraw_after_ = std::min(redraw_after_, kCaretSeconds);
    program_.apply(outbox);
    take_effects();
  }

  void take_effects() {
    Effects effects = program_.take_effects();
    for (const std::string& text : effects.copied)
      window_.copy(text);
    if (effects.quits) window_.close();  // what it needs to be asked has been
    for (const ExportFigure& wanted : effects.window_exports)
      export_window(wanted);
  }

  /// The window's own picture needs ImGui and OpenGL, which are this thread's; only the file is written elsewhere.
  void export_window(const ExportFigure& wanted) {
    try {
      AppModel shown = program_.model();
      shown.settings.theme = wanted.theme;
      const Size size{static_cast<double>(wanted.width), static_cast<double>(wanted.height)};
      Image image = draw_offscreen(shown, size, wanted.scale).image;
      const FigureFormat format = export_format(wanted.path);
      program_.finish_window_export(
          wanted, [image = std::move(image), format, scale = wanted.scale] { return picture_file(image, format, scale); });
    } catch (const Error& error) {
      program_.tell(Toast::Kind::kError, error.what());
    }
    frames_left_ = std::max(frames_left_, 1);
  }

  void wait() {
    if (frames_left_ > 0) {
      window_.poll();
    } else {
      const double seconds = std::min(redraw_after_, program_.seconds_to_next());
      window_.wait(seconds);
      // Woken by whatever: an input, an answer, a time that came.
      frames_left_ = 1;
    }
    if (window_.take_had_input()) frames_left_ = kSettleFrames;
  }

  Program& program_;
  GlfwWindow& window_;
  const Signals& signals_;
  Gui gui_;
  GlfwPlatform platform_;
  int frames_left_ = kSettleFrames;
  double redraw_after_ = 0;
  bool prints_stats_ = std::getenv("HEADROOM_FRAME_STATS") != nullptr;
};

}  // namespace

int run_window(const WindowOptions& options) {
  trace_startup("entered");
  const Signals signals([] { GlfwWindow::wake(); });  // Before any thread starts, so that none of them takes a signal.
  ProgramOptions program_options;
  program_options.engine.assets = options.assets;
  program_options.engine.gpu = make_gpu_provider();
  program_options.folders = user_folders();
  program_options.session = options.session;
  program_options.session_path = options.session_path;
  program_options.open = options.open;
  program_options.wake = [] { GlfwWindow::wake(); };
  Program program(std::move(program_options));
  trace_startup("engine started");
  std::jthread fonts([] { font_files(); });  // Fontconfig takes as long as the window does.
  const Settings& settings = program.model().settings;
  GlfwWindow window(settings.window_width, settings.window_height);
  trace_startup("window created");
  fonts.join();
  trace_startup("fonts found");
  Loop(program, window, signals).run();
  const FramebufferSize size = window.logical_size();
  if (size.width > 0 && size.height > 0) program.set_window_size(size.width, size.height);
  program.close();
  return signals.received() == 0 ? 0 : 128 + signals.received();
}

}  // namespace headroom
