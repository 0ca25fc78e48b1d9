#include "core/tensor/aligned_buffer.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace headroom::aligned_memory {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kLargePage = std::size_t{2} << 20;

constexpr std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes >= 2 * kLargePage ? kLargePage : kLine};
}

}  // namespace

void* allocate(std::size_t bytes) {
  void* const memory = ::operator new (bytes, alignment_of(bytes));
#ifdef __linux__
  // Only whole large pages: what is left over at the end would hold memory that no one asked for. A system without them says no, which
  // changes nothing but the time.
  if (bytes >= 2 * kLargePage) madvise(memory, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
#endif
  return memory;
}

void release(void* memory, std::size_t bytes) noexcept { ::operator delete (memory, alignment_of(bytes)); }

}  // namespace headroom::aligned_memory
