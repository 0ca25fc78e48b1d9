#include "core/formats/bpe.h"

#include <algorithm>
#include <functional>

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

}  // namespace

void BpeMerges::add(const Merge& merge) {
  targets_.insert_or_assign(key_of(merge.left, merge.right), Target{static_cast<std::int32_t>(n_merges_), merge.merged});
  ++n_merges_;
}

const BpeMerges::Target* BpeMerges::find(std::int32_t left, std::int32_t right) const {
  const auto found = targets_.find(key_of(left, right));
  return found == targets_.end() ? nullptr : &found->second;
}

void BpeMerges::apply(std::vector<std::int32_t>& symbols) const {
  const auto n = static_cast<std::uint32_t>(symbols.size());
  std::vector<Candidate> heap;
  std::vector<std::uint32_t> next(n), previous(n);
  const auto offer = [&](std::uint32_t at) {
    const std::int32_t left = symbols[at], right = symbols[next[at]];
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
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Candidate candidate = heap.back();
    heap.pop_back();
    const std::uint32_t at = candidate.at;
    // A symbol that was merged into its left neighbour is -1, so what no longer stands there is skipped.
    if (symbols[at] != candidate.left || next[at] == kNone || symbols[next[at]] != candidate.right) continue;
    const std::uint32_t gone = next[at];
    symbols[at] = find(candidate.left, candidate.right)->merged;
    symbols[gone] = -1;
    next[at] = next[gone];
    if (next[at] != kNone) {
      previous[next[at]] = at;
      offer(at);
    }
    if (previous[at] != kNone) offer(previous[at]);
  }
  std::erase(symbols, -1);
}

}  // namespace headroom
