#include "core/tensor/memory.h"

#include <unistd.h>

#include <fstream>
#include <limits>
#include <string>

namespace headroom {

std::int64_t machine_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page_bytes > 0 ? static_cast<std::int64_t>(pages) * page_bytes : std::numeric_limits<std::int64_t>::max();
}

std::int64_t free_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (std::int64_t value = 0; file >> key >> value; std::getline(file, unit)) {
    if (key == "MemAvailable:") return value * 1024;
  }
  return machine_bytes();
}

}  // namespace headroom
