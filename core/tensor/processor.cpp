#include <charconv>
#include <fstream>
#include <string>

#include "core/tensor/machine.h"

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace headroom {
namespace {

#ifdef __APPLE__

std::string system_text(const char* key) {
  char text[256] = {};
  std::size_t size = sizeof text - 1;
  return sysctlbyname(key, text, &size, nullptr, 0) == 0 ? text : "";
}

#else

std::string first_line(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path) >> std::ws, line);
  return line;
}

/// "1024K" or "32M" as bytes, 0 when it is neither.
std::size_t size_in_bytes(const std::string& text) {
  std::size_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc()) return 0;
  const char letter = unit == end ? ' ' : *unit;
  return letter == 'K' ? value << 10 : letter == 'M' ? value << 20 : letter == 'G' ? value << 30 : value;
}

#endif

}  // namespace

#ifdef __APPLE__

std::string cpu_name() {
  const std::string name = system_text("machdep.cpu.brand_string");
  return name.empty() ? "unknown processor" : name;
}

std::size_t cache_bytes(int level) {
  const char* const key = level == 1 ? "hw.l1dcachesize" : level == 2 ? "hw.l2cachesize" : "hw.l3cachesize";
  std::uint64_t bytes = 0;
  std::size_t size = sizeof bytes;
  return sysctlbyname(key, &bytes, &size, nullptr, 0) == 0 ? static_cast<std::size_t>(bytes) : 0;
}

#else

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name") && !line.starts_with("Model")) continue;
    const auto colon = line.find(':');
    const auto begin = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return "unknown processor";
}

std::size_t cache_bytes(int level) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    if (first_line(folder + "level") != std::to_string(level) || first_line(folder + "type") == "Instruction") continue;
    return size_in_bytes(first_line(folder + "size"));
  }
  return 0;
}

#endif

}  // namespace headroom
