#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "core/kv_cache/cache_memory.h"
#include "core/tensor/error.h"
#include "core/tensor/memory.h"

namespace headroom {
namespace {

struct Stretch {
  AlignedBuffer<std::byte> bytes;
  const std::byte* begin = nullptr;
  PageLayout layout;
};

/// What the first slots of one stretch hold, section by section and head by head.
void copy_slots(const Stretch& from, Stretch& to, std::int64_t n_slots) {
  const PageLayout &old = from.layout, &fresh = to.layout;
  for (std::int64_t head = 0; head < old.n_kv_heads; ++head) {
    const auto copy = [&](std::int64_t old_at, std::int64_t fresh_at, std::int64_t row) {
      std::memcpy(to.bytes.data() + fresh_at, from.bytes.data() + old_at, static_cast<std::size_t>(n_slots * row));
    };
    copy(old.values_at(head, 0), fresh.values_at(head, 0), old.row.values);
    copy(old.v_values + old.values_at(head, 0), fresh.v_values + fresh.values_at(head, 0), old.row.values);
    if (old.row.scale == 0) continue;
    copy(old.k_scales + old.scale_at(head, 0), fresh.k_scales + fresh.scale_at(head, 0), old.row.scale);
    copy(old.v_scales + old.scale_at(head, 0), fresh.v_scales + fresh.scale_at(head, 0), old.row.scale);
  }
}

/// One stretch for each layer, a page that all slots fit in. It doubles when it is full.
class ContiguousMemory final : public CacheMemory {
 public:
  ContiguousMemory(CacheShape shape, const KvCacheOptions& options)
      : shape_(std::move(shape)), options_(options), token_bytes_(token_bytes(shape_, options.type)) {
    stretches_.resize(shape_.n_kv_heads.size());
  }

  void reserve(std::int64_t n_slots) override {
    if (n_slots > capacity_) take(stretches_, n_slots, capacity_);
  }

  void prepare(std::int64_t /*begin*/, std::int64_t end) override {
    constexpr std::int64_t kFewest = 64;
    if (end <= capacity_) return;
    const std::int64_t most = token_budget(options_).value_or(std::numeric_limits<std::int32_t>::max());
    take(stretches_, std::max(end, std::min(std::max(kFewest, 2 * capacity_), most)), capacity_);
  }

  const PageLayout& layout(std::int64_t layer) const override { return stretch(layer).layout; }
  std::span<const std::byte* const> parts(std::int64_t layer) const override { return {&stretch(layer).begin, 1}; }
  std::byte* part(std::int64_t layer, std::int64_t /*page*/) override {
    return stretches_[static_cast<std::size_t>(layer)].bytes.data();
  }

  std::int64_t bytes_reserved() const override { return capacity_ * token_bytes_; }

  std::vector<PageUse> table(std::int64_t n_slots) const override {
    if (capacity_ == 0) return {};
    return {{0, capacity_, n_slots, 1}};
  }

  std::unique_ptr<CacheMemory> fork(std::int64_t n_slots) const override {
    auto copy = std::make_unique<ContiguousMemory>(shape_, options_);
    if (capacity_ > 0) copy->take(stretches_, capacity_, n_slots);
    return copy;
  }

  void clear() override {
    stretches_.assign(stretches_.size(), Stretch{});
    capacity_ = 0;
  }

 private:
  const Stretch& stretch(std::int64_t layer) const { return stretches_[static_cast<std::size_t>(layer)]; }

  /// New stretches of this capacity with the first slots of `from`. Errors  Error; nothing has changed then.
  void take(const std::vector<Stretch>& from, std::int64_t capacity, std::int64_t n_slots) {
    const std::int64_t needed = saturated_product(capacity, token_bytes_), free = free_bytes();
    if (needed > free) {
      throw Error("a cache for " + std::to_string(capacity) + " tokens needs " + std::to_string(needed) + " bytes of memory, and " +
                  std::to_string(free) + " are free");
    }
    std::vector<Stretch> fresh(from.size());
    for (std::size_t layer = 0; layer < fresh.size(); ++layer) {
      if (shape_.n_kv_heads[layer] == 0) continue;
      Stretch& to = fresh[layer];
      to.layout = page_layout({row_format(options_.type), shape_.n_kv_heads[layer], shape_.d_head, capacity});
      to.bytes = AlignedBuffer<std::byte>(static_cast<std::size_t>(to.layout.bytes), Fill::kNone);
      to.begin = to.bytes.data();
      if (n_slots > 0) copy_slots(from[layer], to, n_slots);
    }
    stretches_ = std::move(fresh);
    capacity_ = capacity;
  }

  CacheShape shape_;
  KvCacheOptions options_;
  std::int64_t token_bytes_;
  std::int64_t capacity_ = 0;
  std::vector<Stretch> stretches_;  // one a layer
};

}  // namespace

std::unique_ptr<CacheMemory> make_contiguous_memory(const CacheShape& shape, const KvCacheOptions& options) {
  return std::make_unique<ContiguousMemory>(shape, options);
}

}  // namespace headroom
