#include "app/window/startup_trace.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <string>

namespace headroom {
namespace {

/// Milliseconds since boot at which this process began; 0 where the system does not tell.
/// Source  proc(5), field 22 of /proc/self/stat, counted after the command's closing parenthesis.
double process_start_ms() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t after_name = line.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(line.substr(after_name + 1));
  std::string field;
  for (int i = 3; i < 22; ++i)
    fields >> field;
  long long ticks = 0;
  fields >> ticks;
  return 1000.0 * static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double now_ms() {
#ifdef CLOCK_BOOTTIME
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
#else
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
#endif
}

}  // namespace

void trace_startup(const char* step) {
  static const bool is_on = std::getenv("HEADROOM_STARTUP_TRACE") != nullptr;
  if (!is_on) return;
  static std::mutex mutex;
  static std::set<std::string> told;
  static const double start = process_start_ms() > 0 ? process_start_ms() : now_ms();
  const double now = now_ms();
  const std::scoped_lock lock(mutex);
  if (told.insert(step).second) std::fprintf(stderr, "startup %7.1f ms  %s\n", now - start, step);
}

}  // namespace headroom
