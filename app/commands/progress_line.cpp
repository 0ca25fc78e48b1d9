#include "app/commands/progress_line.h"

#include <unistd.h>

#include <chrono>
#include <iostream>

namespace headroom {

Progress progress_on_terminal() { return ::isatty(STDERR_FILENO) == 1 ? Progress::kLine : Progress::kQuiet; }

void ProgressLine::show(const std::string& text) {
  const double time = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  if (progress_ == Progress::kQuiet || time - last_ < 0.2) return;
  last_ = time;
  std::cerr << "\r\x1b[K" << text << std::flush;
  is_dirty_ = true;
}

void ProgressLine::clear() {
  if (is_dirty_) std::cerr << "\r\x1b[K" << std::flush;
  is_dirty_ = false;
}

}  // namespace headroom
