#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "core/formats/zip.h"
#include "tests/fuzz/target.h"

using namespace headroom;

/// A zip archive; every member that opens is read to its end.
HEADROOM_FUZZ_TARGET(npz) {
  return fuzz::accepts([&] {
    const ZipFile zip(fuzz::file_of(bytes), {.max_inflated_bytes = 1u << 20});
    for (const ZipEntry& entry : zip.entries()) {
      fuzz::accepts([&] {
        const std::shared_ptr<const ByteSource> member = zip.open(entry);
        std::vector<std::byte> buffer(4096);
        for (std::uint64_t at = 0; at < std::min<std::uint64_t>(entry.size, 1u << 20); at += buffer.size())
          member->read(at,
                       std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), entry.size - at))));
      });
    }
  });
}
