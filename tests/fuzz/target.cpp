#include "tests/fuzz/target.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>

namespace headroom::fuzz {

std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

const std::filesystem::path& file_of(std::string_view bytes, int number) {
  struct Memory {
    int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
    std::filesystem::path path = "/proc/self/fd/" + std::to_string(fd);
  };
  static std::map<int, Memory> files;
  const Memory& file = files[number];
  if (file.fd < 0 || ::ftruncate(file.fd, 0) != 0) std::abort();
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::pwrite(file.fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n <= 0) std::abort();
    done += static_cast<std::size_t>(n);
  }
  return file.path;
}

}  // namespace headroom::fuzz
