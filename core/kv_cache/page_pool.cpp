#include "core/kv_cache/page_pool.h"

#include <algorithm>
#include <string>

#include "core/tensor/error.h"
#include "core/tensor/memory.h"

namespace headroom {
namespace {

/// Asking the system takes longer than filling a small page: one answer serves for this much.
constexpr std::int64_t kBytesBetweenChecks = 16 << 20;

}  // namespace

PagePool::PagePool(std::int64_t page_bytes, std::int64_t most_pages, PageMemory memory)
    : page_bytes_(page_bytes), most_pages_(most_pages), memory_(memory) {
  if (page_bytes < 1) throw Error("a page of " + std::to_string(page_bytes) + " bytes holds nothing; it needs 1 at least");
  if (most_pages < 1) throw Error("a pool of " + std::to_string(most_pages) + " pages holds nothing; it needs 1 at least");
}

void PagePool::take_bytes() {
  if (page_bytes_ > checked_bytes_) {
    const std::int64_t free = free_bytes();
    if (page_bytes_ > free) {
      throw Error("one more page needs " + std::to_string(page_bytes_) + " bytes of memory, and " + std::to_string(free) +
                  " are free");
    }
    checked_bytes_ = std::min(kBytesBetweenChecks, free);
  }
  bytes_.emplace_back(static_cast<std::size_t>(page_bytes_), Fill::kNone);
  checked_bytes_ = std::max<std::int64_t>(checked_bytes_ - page_bytes_, 0);
}

PageId PagePool::allocate() {
  if (n_used_ == most_pages_) {
    throw Error("all " + std::to_string(most_pages_) + " pages of " + std::to_string(page_bytes_) + " bytes are in use");
  }
  PageId page = n_known();
  if (free_.empty()) {
    if (free_.capacity() <= n_sharers_.size()) free_.reserve(2 * n_sharers_.size() + 16);  // so that release() needs no memory
    n_sharers_.push_back(0);
    try {
      if (memory_ == PageMemory::kReal) take_bytes();
    } catch (...) {
      n_sharers_.pop_back();
      throw;
    }
  } else {
    page = free_.back();
    free_.pop_back();
  }
  n_sharers_[static_cast<std::size_t>(page)] = 1;
  peak_used_ = std::max(peak_used_, ++n_used_);
  return page;
}

void PagePool::check_held(PageId page) const {
  if (n_sharers(page) == 0) throw Error("page " + std::to_string(page) + " is not in use");
}

void PagePool::share(PageId page) {
  check_held(page);
  ++n_sharers_[static_cast<std::size_t>(page)];
}

void PagePool::release(PageId page) {
  check_held(page);
  if (--n_sharers_[static_cast<std::size_t>(page)] > 0) return;
  free_.push_back(page);
  --n_used_;
}

std::int64_t PagePool::n_sharers(PageId page) const {
  return page < 0 || page >= n_known() ? 0 : n_sharers_[static_cast<std::size_t>(page)];
}

const std::byte* PagePool::data(PageId page) const {
  check_held(page);
  return memory_ == PageMemory::kReal ? bytes_[static_cast<std::size_t>(page)].data() : nullptr;
}
std::byte* PagePool::data(PageId page) {
  check_held(page);
  return memory_ == PageMemory::kReal ? bytes_[static_cast<std::size_t>(page)].data() : nullptr;
}

}  // namespace headroom
