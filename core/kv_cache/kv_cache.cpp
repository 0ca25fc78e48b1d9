#include "core/kv_cache/kv_cache.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "core/kv_cache/kv_cache_state.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::unique_ptr<CacheMemory> make_memory(const CacheShape& shape, const KvCacheOptions& options, std::shared_ptr<PagePool> pool) {
  constexpr std::int64_t kAnyNumber = std::numeric_limits<std::int32_t>::max();
  const std::int64_t bytes = page_bytes(shape, options);
  if (options.layout == CacheLayout::kContiguous || bytes == 0) return make_contiguous_memory(shape, options);
  if (pool == nullptr) pool = std::make_shared<PagePool>(bytes, kAnyNumber);
  return make_paged_memory(shape, options, std::move(pool));
}

}  // namespace

KvCache::State::State(CacheShape given, const KvCacheOptions& asked, ThreadPool& threads, std::shared_ptr<PagePool> pool)
    : shape(std::move(given)),
      options(asked),
      memory(make_memory(shape, options, std::move(pool))),
      kernels(std::make_shared<kv_detail::Kernels>(threads)) {
  for (const std::int64_t n_kv_heads : shape.n_kv_heads)
    layers.emplace_back(options, n_kv_heads);
}
KvCache::State::State(const State& other)
    : shape(other.shape),
      options(other.options),
      memory(other.memory->fork(other.n_slots())),
      layers(other.layers),
      kernels(other.kernels) {}

const SlotTable& KvCache::State::layer_at(std::int64_t layer) const {
  if (layer < 0 || layer >= std::ssize(layers))
    throw ShapeError("layer " + std::to_string(layer) + " of a cache of " + std::to_string(layers.size()) + " layers");
  return layers[static_cast<std::size_t>(layer)];
}

const SlotTable& KvCache::State::layer_of(std::int64_t layer, std::int64_t kv_head) const {
  const SlotTable& slots = layer_at(layer);
  if (kv_head < 0 || kv_head >= slots.n_kv_heads())
    throw ShapeError("K/V head " + std::to_string(kv_head) + " of a layer that has " + std::to_string(slots.n_kv_heads()));
  return slots;
}

std::int64_t KvCache::State::n_slots() const {
  std::int64_t n = 0;
  for (const SlotTable& slots : layers)
    n = std::max(n, slots.n_held());
  return n;
}

KvCache::KvCache(CacheShape shape, const KvCacheOptions& options, ThreadPool& threads, std::shared_ptr<PagePool> pool)
    : state_(std::make_unique<State>(std::move(shape), options, threads, std::move(pool))) {}
KvCache::KvCache(std::unique_ptr<State> state) : state_(std::move(state)) {}
KvCache::KvCache(KvCache&& other) noexcept = default;
KvCache& KvCache::operator=(KvCache&& other) noexcept = default;
KvCache::~KvCache() = default;

const CacheShape& KvCache::shape() const { return state_->shape; }
const KvCacheOptions& KvCache::options() const { return state_->options; }

void KvCache::reserve(std::int64_t n_tokens) {
  state_->memory->reserve(std::min(n_tokens, token_budget(options()).value_or(n_tokens)));
}

std::int64_t KvCache::n_seen(std::int64_t layer) const { return state_->layer_at(layer).n_seen(); }
std::int64_t KvCache::n_held(std::int64_t layer) const { return state_->layer_at(layer).n_held(); }
std::int64_t KvCache::n_held_after(std::int64_t layer, std::int64_t n_more) const {
  return state_->layer_at(layer).n_held_after(n_more);
}

std::int64_t KvCache::n_seen() const {
  std::optional<std::int64_t> fewest;
  for (const SlotTable& slots : state_->layers) {
    if (slots.n_kv_heads() > 0) fewest = std::min(fewest.value_or(slots.n_seen()), slots.n_seen());
  }
  return fewest.value_or(0);
}
std::int64_t KvCache::n_held() const { return std::min(n_seen(), token_budget(options()).value_or(n_seen())); }

std::vector<std::int32_t> KvCache::positions(std::int64_t layer, std::int64_t kv_head) const {
  const SlotTable& slots = state_->layer_of(layer, kv_head);
  std::vector<std::int32_t> positions(static_cast<std::size_t>(slots.n_held()));
  for (std::size_t slot = 0; slot < positions.size(); ++slot)
    positions[slot] = slots.position(kv_head, static_cast<std::int64_t>(slot));
  return positions;
}

std::vector<std::int32_t> KvCache::evicted(std::int64_t layer, std::int64_t kv_head) const {
  std::vector<std::int32_t> held = positions(layer, kv_head), evicted;
  std::ranges::sort(held);
  auto next = held.begin();
  for (std::int32_t position = 0; position < n_seen(layer); ++position) {
    if (next != held.end() && *next == position) {
      ++next;
    } else {
      evicted.push_back(position);
    }
  }
  return evicted;
}

std::optional<std::int32_t> KvCache::gave_up(std::int64_t layer, std::int64_t kv_head) const {
  const std::int32_t position = state_->layer_of(layer, kv_head).gave_up(kv_head);
  return position < 0 ? std::nullopt : std::optional(position);
}

std::span<const double> KvCache::received(std::int64_t layer, std::int64_t kv_head) const {
  return state_->layer_of(layer, kv_head).received(kv_head);
}

void KvCache::read_row(std::int64_t layer, std::int64_t kv_head, std::int64_t slot, CachedRow to) const {
  const SlotTable& slots = state_->layer_of(layer, kv_head);
  if (slot < 0 || slot >= slots.n_held())
    throw ShapeError("slot " + std::to_string(slot) + " of a cache that holds " + std::to_string(slots.n_held()) + " tokens");
  const auto d_head = static_cast<std::size_t>(shape().d_head);
  if (to.k.size() != d_head || to.v.size() != d_head)
    throw ShapeError("a row of a cache has " + std::to_string(d_head) + " numbers; there is room for " +
                     std::to_string(to.k.size()) + " and " + std::to_string(to.v.size()));
  const PageLayout& layout = state_->memory->layout(layer);
  const std::byte* const part = state_->memory->parts(layer)[static_cast<std::size_t>(slot / layout.page_rows)];
  read_cached_row(layout, {part, kv_head, slot % layout.page_rows}, to.k.data(), to.v.data());
}

std::int64_t KvCache::bytes_held(std::int64_t layer, std::int64_t kv_head) const {
  return 2 * state_->layer_of(layer, kv_head).n_held() * kv_row_bytes(options().type, shape().d_head);
}

std::int64_t KvCache::bytes_used() const {
  std::int64_t bytes = 0;
  for (const SlotTable& slots : state_->layers)
    bytes += 2 * slots.n_kv_heads() * slots.n_held() * kv_row_bytes(options().type, shape().d_head);
  return bytes;
}
std::int64_t KvCache::bytes_reserved() const { return state_->memory->bytes_reserved(); }
std::vector<PageUse> KvCache::page_table() const { return state_->memory->table(state_->n_slots()); }

KvCache KvCache::fork() const { return KvCache(std::make_unique<State>(*state_)); }

void KvCache::clear() {
  state_->memory->clear();
  for (SlotTable& slots : state_->layers)
    slots = SlotTable(options(), slots.n_kv_heads());
}

}  // namespace headroom
