#include "core/kv_cache/slot_table.h"

#include <algorithm>
#include <limits>

namespace headroom {

SlotTable::SlotTable(const KvCacheOptions& options, std::int64_t n_kv_heads)
    : options_(options),
      n_kv_heads_(n_kv_heads),
      budget_(token_budget(options).value_or(std::numeric_limits<std::int64_t>::max())),
      gave_up_(static_cast<std::size_t>(n_kv_heads), -1),
      received_(static_cast<std::size_t>(n_kv_heads)),
      next_(static_cast<std::size_t>(n_kv_heads)) {}

std::int64_t SlotTable::n_held_after(std::int64_t n_more) const { return std::min(n_seen_ + n_more, budget_); }

std::int64_t SlotTable::n_together(std::int64_t n) const {
  if (counts()) return 1;  // the next token may make one give way, and each before it has a say in which
  return std::max<std::int64_t>(std::min(n, budget_ - n_seen_), 1);
}

std::int32_t SlotTable::position(std::int64_t kv_head, std::int64_t slot) const {
  return positions_.empty() ? static_cast<std::int32_t>(slot) : positions_[static_cast<std::size_t>(kv_head * budget_ + slot)];
}

std::span<const double> SlotTable::received(std::int64_t kv_head) const { return received_[static_cast<std::size_t>(kv_head)]; }

std::int64_t SlotTable::lightest(std::int64_t kv_head) const {
  const std::span<const double> given = received(kv_head);
  const std::int64_t oldest_of_window = n_seen_ - options_.window + 1;
  std::int64_t found = -1;
  for (std::int64_t slot = 0; slot < budget_; ++slot) {
    if (position(kv_head, slot) >= oldest_of_window) continue;
    const double difference = found < 0 ? -1 : given[static_cast<std::size_t>(slot)] - given[static_cast<std::size_t>(found)];
    const bool is_older = found >= 0 && position(kv_head, slot) < position(kv_head, found);
    if (difference < 0 || (difference == 0 && is_older)) found = slot;
  }
  return found;
}

std::span<const std::int64_t> SlotTable::next_slots() {
  for (std::int64_t head = 0; head < n_kv_heads_; ++head) {
    std::int64_t& slot = next_[static_cast<std::size_t>(head)];
    if (n_seen_ < budget_) {
      slot = n_seen_;
    } else if (counts()) {
      slot = lightest(head);
    } else {
      const std::int64_t first = options_.eviction == Eviction::kStreaming ? options_.n_first : 0;
      slot = first + (n_seen_ - first) % options_.window;
    }
  }
  return next_;
}

void SlotTable::keep() {
  const auto position_now = static_cast<std::int32_t>(n_seen_);
  const bool displaces = n_seen_ >= budget_;
  if (displaces && positions_.empty()) {
    positions_.resize(static_cast<std::size_t>(n_kv_heads_ * budget_));
    for (std::size_t at = 0; at < positions_.size(); ++at)
      positions_[at] = static_cast<std::int32_t>(static_cast<std::int64_t>(at) % budget_);
  }
  for (std::int64_t head = 0; head < n_kv_heads_; ++head) {
    const auto h = static_cast<std::size_t>(head);
    const auto slot = static_cast<std::size_t>(next_[h]);
    gave_up_[h] = displaces ? position(head, next_[h]) : -1;
    if (displaces) positions_[h * static_cast<std::size_t>(budget_) + slot] = position_now;
    if (!counts()) continue;
    if (slot == received_[h].size()) received_[h].push_back(0);
    received_[h][slot] = 0;
  }
  ++n_seen_;
}

void SlotTable::count(const AttentionConfig& config, std::span<const float> probs) {
  if (!counts()) return;
  const auto n = static_cast<std::size_t>(n_held());
  for (std::int64_t head = 0; head < config.n_heads; ++head) {
    std::vector<double>& received = received_[static_cast<std::size_t>(config.kv_head(head))];
    const std::span<const float> row = probs.subspan(static_cast<std::size_t>(head) * n, n);
    for (std::size_t slot = 0; slot < n; ++slot)
      received[slot] += static_cast<double>(row[slot]);
  }
}

}  // namespace headroom
