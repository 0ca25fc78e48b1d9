#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/attention/cached_rows.h"
#include "core/kv_cache/kv_cache.h"

namespace headroom {

RowFormat row_format(KvType type);

/// Where the slots of one sequence lie, all layers of it. A layer without heads has no part in it.
class CacheMemory {
 public:
  virtual ~CacheMemory() = default;
  CacheMemory() = default;
  CacheMemory(const CacheMemory&) = delete;
  CacheMemory& operator=(const CacheMemory&) = delete;

  /// Errors  Error, with the numbers, when there could not be room for so many slots.
  virtual void reserve(std::int64_t n_slots) = 0;
  /// Slots [begin, end) can be written from now on, and nobody else reads what is written there. All slots before `begin` have been
  /// prepared. Errors  Error, with the numbers, when there is no memory or no page for that; nothing that a sequence reads has changed.
  virtual void prepare(std::int64_t begin, std::int64_t end) = 0;

  /// How the layer's part of each page lies.
  virtual const PageLayout& layout(std::int64_t layer) const = 0;
  /// Where it begins in each page.
  virtual std::span<const std::byte* const> parts(std::int64_t layer) const = 0;
  /// The same of one page, for writing: prepare() its slots first.
  virtual std::byte* part(std::int64_t layer, std::int64_t page) = 0;

  virtual std::int64_t bytes_reserved() const = 0;
  virtual std::vector<PageUse> table(std::int64_t n_slots) const = 0;
  virtual std::unique_ptr<CacheMemory> fork(std::int64_t n_slots) const = 0;
  virtual void clear() = 0;
};

std::unique_ptr<CacheMemory> make_contiguous_memory(const CacheShape& shape, const KvCacheOptions& options);
/// Errors  ShapeError when the pool's pages have not the size that is needed.
std::unique_ptr<CacheMemory> make_paged_memory(const CacheShape& shape, const KvCacheOptions& options,
                                               std::shared_ptr<PagePool> pool);

/// n times each; the largest integer where that is more. Neither is negative.
std::int64_t saturated_product(std::int64_t n, std::int64_t each);

}  // namespace headroom
