#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/tensor/aligned_buffer.h"

namespace headroom {

/// Number of a page, from 0 on in the order in which pages were first used.
using PageId = std::int64_t;

enum class PageMemory {
  kReal,    ///< each page has its bytes, taken from the system when it is first used
  kCounted  ///< pages are numbers: for simulations
};

/// Pages of one size that sequences take, share and give back. A page that all have released is handed out again, the last one first.
///
/// Threads  One at a time.
class PagePool {
 public:
  /// Errors  Error when a page would have no bytes, or no page is allowed.
  PagePool(std::int64_t page_bytes, std::int64_t most_pages, PageMemory memory = PageMemory::kReal);

  /// A page with one sharer. What it holds is left from before. Errors  Error, with the numbers, when all pages are in use or the machine
  /// has no memory left for one.
  PageId allocate();
  /// One more sequence reads the page.
  void share(PageId page);
  /// One fewer; after the last one the page is free. Errors  Error when nobody holds it.
  void release(PageId page);

  /// Sequences that hold the page; 0: it is free, or was never used.
  std::int64_t n_sharers(PageId page) const;
  /// On a 64-byte boundary; null of kCounted. Errors  Error when nobody holds the page.
  std::byte* data(PageId page);
  const std::byte* data(PageId page) const;

  std::int64_t page_bytes() const { return page_bytes_; }
  std::int64_t most_pages() const { return most_pages_; }
  std::int64_t n_used() const { return n_used_; }
  std::int64_t n_free() const { return most_pages_ - n_used_; }
  std::int64_t peak_used() const { return peak_used_; }                                  ///< most in use at once so far
  std::int64_t n_known() const { return static_cast<std::int64_t>(n_sharers_.size()); }  ///< pages used at any time: ids are below

 private:
  void check_held(PageId page) const;
  void take_bytes();

  std::int64_t page_bytes_, most_pages_;
  PageMemory memory_;
  std::vector<std::int32_t> n_sharers_;
  std::vector<AlignedBuffer<std::byte>> bytes_;  // of kReal
  std::vector<PageId> free_;                     // known ones
  std::int64_t n_used_ = 0, peak_used_ = 0;
  std::int64_t checked_bytes_ = 0;  // that the system was found to have and no page has taken
};

}  // namespace headroom
