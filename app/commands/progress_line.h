#pragma once

#include <string>

namespace headroom {

enum class Progress { kLine, kQuiet };
/// A line where standard error is a terminal.
Progress progress_on_terminal();

/// One line on standard error, written over and over, at most five times a second.
class ProgressLine {
 public:
  explicit ProgressLine(Progress progress) : progress_(progress) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const std::string& text);
  void clear();

 private:
  Progress progress_;
  bool is_dirty_ = false;
  double last_ = -1;  ///< seconds of a steady clock
};

}  // namespace headroom
