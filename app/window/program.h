#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/views/model.h"
#include "app/window/xdg.h"

namespace headroom {

struct ProgramOptions {
  EngineOptions engine;
  UserFolders folders;             ///< empty paths: nothing is remembered
  std::optional<Session> session;  ///< at start; default: the bundled model
  std::filesystem::path session_path;
  std::optional<std::filesystem::path> open;  ///< a model folder or session to open at once
  std::function<void()> wake;                 ///< called from any thread when update() has something to do
};

/// What only the owner of the window can do.
struct Effects {
  std::vector<std::string> copied;           ///< for the clipboard
  std::vector<ExportFigure> window_exports;  ///< pictures of the window itself; hand the bytes to finish_window_export
  bool quits = false;
};

/// The program without its window: the model of the views, the engine, files, settings. Everything that takes time happens on other threads.
///
/// Threads  one, the interface's.
class Program {
 public:
  explicit Program(ProgramOptions options);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const AppModel& model() const;
  /// Monitor scale times the settings' own, kept in [0.5, 4].
  void set_monitor_scale(double scale);
  /// Logical pixels, remembered for the next start.
  void set_window_size(int width, int height);

  /// Does what one frame led to.
  void apply(const Outbox& outbox);
  void open(const std::filesystem::path& path);
  /// Takes what other threads finished and what time brought. `now` in seconds.
  void update(double now);
  /// Seconds from the last update() until the next one is due even if nobody wakes; infinite when nothing is.
  double seconds_to_next() const;
  Effects take_effects();
  /// Writes the picture on the export thread and tells how it went.
  void finish_window_export(const ExportFigure& wanted, std::function<std::string()> make_bytes);
  void tell(Toast::Kind kind, const std::string& text);
  /// Whether the window may close now. Where a run could go on, the person is asked first, and Effects::quits follows the answer.
  bool may_close();

  /// Saves settings, the autosave, and a run that nobody was asked about. Once, at the end.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
