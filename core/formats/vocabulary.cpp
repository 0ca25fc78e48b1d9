#include "core/formats/vocabulary.h"

#include <algorithm>
#include <functional>

namespace headroom {
namespace {

constexpr std::int32_t kDenseIds = 1 << 22;  // larger ids are rare: gaps cost nothing

}  // namespace

void Vocabulary::reserve(std::size_t n_entries) {
  entries_.reserve(n_entries);
  grow(n_entries * 2);
}

void Vocabulary::grow(std::size_t n_slots) {
  std::size_t n = 16;
  while (n < n_slots)
    n *= 2;
  if (n <= slots_.size()) return;
  slots_.assign(n, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i)
    slots_[slot_of(entries_[i].first)] = static_cast<std::uint32_t>(i + 1);
}

/// Where the spelling is, or the free slot where it belongs.
std::size_t Vocabulary::slot_of(std::string_view text) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = std::hash<std::string_view>{}(text)&mask;
  while (slots_[slot] != 0 && entries_[slots_[slot] - 1].first != text)
    slot = (slot + 1) & mask;
  return slot;
}

void Vocabulary::add(std::string_view text, std::int32_t id, Spelling spelling) {
  if (2 * (entries_.size() + 1) > slots_.size()) grow(2 * slots_.size() + 16);
  std::uint32_t& slot = slots_[slot_of(text)];
  if (slot == 0) {
    entries_.emplace_back(text, id);
    slot = static_cast<std::uint32_t>(entries_.size());
  } else {
    entries_[slot - 1].second = id;
  }
  if (id < kDenseIds && static_cast<std::size_t>(id) >= dense_.size())
    dense_.resize(std::max<std::size_t>(static_cast<std::size_t>(id) + 1, std::min<std::size_t>(2 * dense_.size(), kDenseIds)));
  std::uint32_t& entry = id < kDenseIds ? dense_[static_cast<std::size_t>(id)] : sparse_[id];
  if (entry == 0 || spelling == Spelling::kLast) entry = slot;
  max_id_ = std::max<std::int64_t>(max_id_, id);
  longest_ = std::max(longest_, text.size());
}

std::int32_t Vocabulary::id_of(std::string_view text) const {
  if (slots_.empty()) return -1;
  const std::uint32_t slot = slots_[slot_of(text)];
  return slot == 0 ? -1 : entries_[slot - 1].second;
}

std::string_view Vocabulary::text_of(std::int32_t id) const {
  std::uint32_t entry = 0;
  if (id >= 0 && static_cast<std::size_t>(id) < dense_.size()) {
    entry = dense_[static_cast<std::size_t>(id)];
  } else if (const auto found = sparse_.find(id); found != sparse_.end()) {
    entry = found->second;
  }
  return entry == 0 ? std::string_view{} : std::string_view(entries_[entry - 1].first);
}

}  // namespace headroom
