#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace headroom::ui {

/// A child process; killed and waited for at the end.
class Process {
 public:
  /// `environment` is added to this process's own; an empty value unsets.
  Process(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment, int keep_open_fd = -1);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool is_running();
  /// Processor time used so far, in clock ticks.
  long cpu_ticks() const;
  /// Waits up to `seconds`; the exit status, or nothing when it still runs.
  std::optional<int> wait(double seconds);

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

/// Runs a command to its end and returns what it printed.
std::string output_of(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment = {});

struct Box {
  double x = 0, y = 0, w = 0, h = 0;
};

/// A display without a screen (Xvfb) with the program in it, driven by a real mouse and real keys (xdotool).
/// Errors  std::runtime_error with what went wrong: a test then fails with that sentence.
class Desktop {
 public:
  /// Starts both. `arguments` are the program's; HOME is `home`, so nothing of the machine is read or written.
  Desktop(const std::filesystem::path& home, const std::vector<std::string>& arguments);

  /// Why this machine cannot run such a test, e.g. "xdotool is not installed"; empty when it can.
  static std::string what_is_missing();

  /// Waits until the widget is on the screen and lies still.
  Box box(const std::string& widget);
  bool has(const std::string& widget);
  std::vector<std::string> names();  ///< of all widgets on the screen
  void click(const std::string& widget, const std::string& modifier = {});
  void hover(const std::string& widget);
  /// Presses at share `from` of the widget's width, moves in steps, releases at share `to`.
  void drag(const std::string& widget, double from, double to);
  void type(const std::string& text);
  void key(const std::string& keys);  ///< xdotool's names: "ctrl+s", "Escape"
  void pause(double seconds);
  /// Until the condition holds; fails with `what` after ten seconds.
  void until(const std::string& what, const std::function<bool()>& condition);
  void save_screenshot(const std::filesystem::path& png);
  Process& program() { return *program_; }

 private:
  std::map<std::string, Box> widgets();
  std::map<std::string, std::string> environment_;
  std::filesystem::path map_;
  std::unique_ptr<Process> display_, program_;
};

}  // namespace headroom::ui
