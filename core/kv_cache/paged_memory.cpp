#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "core/kv_cache/cache_memory.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Pages that a table finds, each with the same slots of all layers: layer after layer.
class PagedMemory final : public CacheMemory {
 public:
  PagedMemory(const CacheShape& shape, const KvCacheOptions& options, std::shared_ptr<PagePool> pool)
      : page_rows_(options.page_rows), pool_(std::move(pool)), layouts_(shape.n_kv_heads.size()), parts_(layouts_.size()) {
    std::int64_t at = 0;
    for (std::size_t layer = 0; layer < layouts_.size(); ++layer) {
      begins_.push_back(at);
      if (shape.n_kv_heads[layer] == 0) continue;
      layouts_[layer] = page_layout({row_format(options.type), shape.n_kv_heads[layer], shape.d_head, page_rows_});
      at += layouts_[layer].bytes;
    }
    if (pool_->page_bytes() != at) {
      throw ShapeError("the pool's pages have " + std::to_string(pool_->page_bytes()) + " bytes; this cache needs pages of " +
                       std::to_string(at));
    }
  }
  PagedMemory(const PagedMemory&) = delete;
  PagedMemory& operator=(const PagedMemory&) = delete;
  ~PagedMemory() override { PagedMemory::clear(); }

  void reserve(std::int64_t n_slots) override { check_free(n_pages(n_slots) - std::ssize(pages_), 0); }

  void prepare(std::int64_t begin, std::int64_t end) override {
    const std::size_t n_before = pages_.size();
    const auto first = static_cast<std::size_t>(begin / page_rows_), last = static_cast<std::size_t>(n_pages(end));
    std::int64_t n_copies = 0;
    for (std::size_t at = first; at < std::min(last, n_before); ++at)
      n_copies += pool_->n_sharers(pages_[at]) > 1 ? 1 : 0;
    check_free(static_cast<std::int64_t>(last) - static_cast<std::int64_t>(n_before), n_copies);
    try {
      while (pages_.size() < last)
        add(pool_->allocate());
    } catch (...) {
      drop_from(n_before);
      throw;
    }
    for (std::size_t at = first; at < std::min(last, n_before); ++at)
      own(at);
  }

  const PageLayout& layout(std::int64_t layer) const override { return layouts_[static_cast<std::size_t>(layer)]; }
  std::span<const std::byte* const> parts(std::int64_t layer) const override { return parts_[static_cast<std::size_t>(layer)]; }
  std::byte* part(std::int64_t layer, std::int64_t page) override {
    return pool_->data(pages_[static_cast<std::size_t>(page)]) + begins_[static_cast<std::size_t>(layer)];
  }

  std::int64_t bytes_reserved() const override { return std::ssize(pages_) * pool_->page_bytes(); }

  std::vector<PageUse> table(std::int64_t n_slots) const override {
    std::vector<PageUse> table;
    for (const PageId page : pages_) {
      const std::int64_t before = std::ssize(table) * page_rows_;
      table.push_back({page, page_rows_, std::clamp<std::int64_t>(n_slots - before, 0, page_rows_), pool_->n_sharers(page)});
    }
    return table;
  }

  std::unique_ptr<CacheMemory> fork(std::int64_t /*n_slots*/) const override {
    return std::unique_ptr<CacheMemory>(new PagedMemory(*this, Shared{}));
  }

  void clear() override { drop_from(0); }

 private:
  struct Shared {};
  PagedMemory(const PagedMemory& other, Shared)
      : page_rows_(other.page_rows_),
        pool_(other.pool_),
        layouts_(other.layouts_),
        begins_(other.begins_),
        pages_(other.pages_),
        parts_(other.parts_) {
    for (const PageId page : pages_)
      pool_->share(page);
  }

  std::int64_t n_pages(std::int64_t n_slots) const { return n_slots / page_rows_ + (n_slots % page_rows_ != 0 ? 1 : 0); }

  void check_free(std::int64_t n_more, std::int64_t n_copies) const {
    const std::int64_t needed = std::max<std::int64_t>(n_more, 0) + n_copies;
    if (needed <= pool_->n_free()) return;
    throw Error("a sequence needs " + std::to_string(needed) + " more pages of " + std::to_string(pool_->page_bytes()) + " bytes" +
                (n_copies > 0 ? ", of them " + std::to_string(n_copies) + " to copy what it shares" : std::string()) + ", and " +
                std::to_string(pool_->n_free()) + " of " + std::to_string(pool_->most_pages()) + " are free");
  }

  /// Copy on write.
  void own(std::size_t at) {
    PageId& page = pages_[at];
    if (pool_->n_sharers(page) == 1) return;
    const PageId copy = pool_->allocate();
    std::memcpy(pool_->data(copy), pool_->data(page), static_cast<std::size_t>(pool_->page_bytes()));
    pool_->release(std::exchange(page, copy));
    for (std::size_t layer = 0; layer < parts_.size(); ++layer)
      parts_[layer][at] = pool_->data(copy) + begins_[layer];
  }

  void add(PageId page) {
    pages_.push_back(page);
    for (std::size_t layer = 0; layer < parts_.size(); ++layer)
      parts_[layer].push_back(pool_->data(page) + begins_[layer]);
  }

  void drop_from(std::size_t n_kept) {
    for (; pages_.size() > n_kept; pages_.pop_back())
      pool_->release(pages_.back());
    for (std::vector<const std::byte*>& parts : parts_)
      parts.resize(std::min(parts.size(), n_kept));
  }

  std::int64_t page_rows_;
  std::shared_ptr<PagePool> pool_;
  std::vector<PageLayout> layouts_;
  std::vector<std::int64_t> begins_;  // of each layer's part in a page, bytes
  std::vector<PageId> pages_;
  std::vector<std::vector<const std::byte*>> parts_;  // [layers][pages]
};

}  // namespace

std::unique_ptr<CacheMemory> make_paged_memory(const CacheShape& shape, const KvCacheOptions& options,
                                               std::shared_ptr<PagePool> pool) {
  return std::make_unique<PagedMemory>(shape, options, std::move(pool));
}

}  // namespace headroom
