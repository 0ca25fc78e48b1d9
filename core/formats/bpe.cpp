#include "core/formats/bpe.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>

#include "core/tensor/error.h"

namespace headroom {
namespace {

std::uint64_t key_of(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

/// A merge that may happen at a place. The order of the heap: rank, then place, so that equal pairs merge from the left.
struct Candidate {
  std::int32_t rank = 0;
  std::uint32_t at = 0;
  std::int32_t left = 0, right = 0;  ///< what stood there when it was found
  bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
};

constexpr std::uint32_t kNone = 0xFFFFFFFF;
constexpr std::size_t kShort = 24;  // up to here looking at all pairs anew is faster than a heap
constexpr std::int32_t kNoRank = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kMergesBetweenLooks = 1u << 14;

}  // namespace

void BpeMerges::reserve(std::size_t n_merges) { grow(2 * n_merges); }

void BpeMerges::grow(std::size_t n_slots) {
  std::size_t n = 64;
  while (n < n_slots)
    n *= 2;
  if (n <= slots_.size()) return;
  std::vector<Target> old(n);
  old.swap(slots_);
  for (const Target& target : old)
    if (target.pair != kNoPair) slots_[slot_of(target.pair)] = target;
}

/// Where the pair is, or the free slot where it belongs.
std::size_t BpeMerges::slot_of(std::uint64_t pair) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = static_cast<std::size_t>((pair * 0x9E3779B97F4A7C15u) >> 29) & mask;
  while (slots_[slot].pair != kNoPair && slots_[slot].pair != pair)
    slot = (slot + 1) & mask;
  return slot;
}

void BpeMerges::add(const Merge& merge) {
  if (2 * (n_used_ + 1) > slots_.size()) grow(2 * slots_.size() + 64);
  const std::uint64_t pair = key_of(merge.left, merge.right);
  Target& target = slots_[slot_of(pair)];
  if (target.pair == kNoPair) ++n_used_;
  target = {pair, static_cast<std::int32_t>(n_merges_++), merge.merged};
}

const BpeMerges::Target* BpeMerges::find(std::int32_t left, std::int32_t right) const {
  if (slots_.empty()) return nullptr;
  const Target& target = slots_[slot_of(key_of(left, right))];
  return target.pair == kNoPair ? nullptr : &target;
}

void BpeMerges::apply(std::vector<BpeSymbol>& symbols, const std::stop_token& stop) const {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kShort) {
    merge_short(symbols);
  } else {
    merge_long(symbols, stop);
  }
}

void BpeMerges::apply(std::vector<std::int32_t>& ids) const {
  std::vector<BpeSymbol> symbols;
  symbols.reserve(ids.size());
  for (const std::int32_t id : ids)
    symbols.push_back({id, 0, 0});
  apply(symbols, {});
  ids.clear();
  for (const BpeSymbol& symbol : symbols)
    ids.push_back(symbol.id);
}

void BpeMerges::merge_short(std::vector<BpeSymbol>& symbols) const {
  std::array<std::int32_t, kShort> ranks{}, merged{};  // of the pair that begins at each place
  const auto look = [&](std::size_t i) {
    const Target* target = i + 1 < symbols.size() ? find(symbols[i].id, symbols[i + 1].id) : nullptr;
    ranks[i] = target == nullptr ? kNoRank : target->rank;
    merged[i] = target == nullptr ? -1 : target->merged;
  };
  for (std::size_t i = 0; i < symbols.size(); ++i)
    look(i);
  while (symbols.size() > 1) {
    const auto last = ranks.begin() + static_cast<std::ptrdiff_t>(symbols.size() - 1);
    const auto least = std::min_element(ranks.begin(), last);
    if (*least == kNoRank) return;
    const auto at = static_cast<std::size_t>(least - ranks.begin());
    symbols[at].id = merged[at];
    symbols[at].end = symbols[at + 1].end;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at + 1));
    for (std::size_t i = at + 1; i < symbols.size(); ++i) {
      ranks[i] = ranks[i + 1];
      merged[i] = merged[i + 1];
    }
    look(at);
    if (at > 0) look(at - 1);
  }
}

void BpeMerges::merge_long(std::vector<BpeSymbol>& symbols, const std::stop_token& stop) const {
  const auto n = static_cast<std::uint32_t>(symbols.size());
  std::vector<Candidate> heap;
  std::vector<std::uint32_t> next(n), previous(n);
  const auto offer = [&](std::uint32_t at) {
    const std::int32_t left = symbols[at].id, right = symbols[next[at]].id;
    const Target* target = find(left, right);
    if (target == nullptr) return;
    heap.push_back({target->rank, at, left, right});
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  for (std::uint32_t i = 0; i < n; ++i) {
    next[i] = i + 1 < n ? i + 1 : kNone;
    previous[i] = i > 0 ? i - 1 : kNone;
  }
  for (std::uint32_t i = 0; i + 1 < n; ++i)
    offer(i);
  for (std::size_t n_done = 0; !heap.empty(); ++n_done) {
    if (n_done % kMergesBetweenLooks == 0 && stop.stop_requested()) throw Cancelled();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Candidate candidate = heap.back();
    heap.pop_back();
    const std::uint32_t at = candidate.at;
    // A symbol that was merged into its left neighbour is -1, so what no longer stands there is skipped.
    if (symbols[at].id != candidate.left || next[at] == kNone || symbols[next[at]].id != candidate.right) continue;
    const std::uint32_t gone = next[at];
    symbols[at].id = find(candidate.left, candidate.right)->merged;
    symbols[at].end = symbols[gone].end;
    symbols[gone].id = -1;
    next[at] = next[gone];
    if (next[at] != kNone) {
      previous[next[at]] = at;
      offer(at);
    }
    if (previous[at] != kNone) offer(previous[at]);
  }
  std::erase_if(symbols, [](const BpeSymbol& symbol) { return symbol.id < 0; });
}

}  // namespace headroom
