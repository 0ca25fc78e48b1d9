#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

namespace headroom {

/// A token in the making, and the stretch of the word that it stands for.
struct BpeSymbol {
  std::int32_t id = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// Byte-pair encoding's merges: two neighbouring symbols become one, the earliest merge in the list first, equal ones from the left.
/// Source  Sennrich et al. 2016, arXiv:1508.07909, algorithm 1.
class BpeMerges {
 public:
  struct Merge {
    std::int32_t left = 0, right = 0, merged = 0;
  };

  void reserve(std::size_t n_merges);
  /// Merges in order of their rank. A pair that comes twice keeps its last place, as in the reference.
  void add(const Merge& merge);
  std::size_t size() const { return n_merges_; }
  /// Merges in place until none applies. Time  n log n in the number of symbols. Errors  Cancelled.
  void apply(std::vector<BpeSymbol>& symbols, const std::stop_token& stop) const;
  /// The same of ids alone.
  void apply(std::vector<std::int32_t>& ids) const;

 private:
  struct Target {
    std::uint64_t pair = kNoPair;
    std::int32_t rank = 0, merged = 0;
  };
  static constexpr std::uint64_t kNoPair = ~std::uint64_t{0};

  const Target* find(std::int32_t left, std::int32_t right) const;
  std::size_t slot_of(std::uint64_t pair) const;
  void grow(std::size_t n_slots);
  void merge_short(std::vector<BpeSymbol>& symbols) const;
  void merge_long(std::vector<BpeSymbol>& symbols, const std::stop_token& stop) const;

  std::vector<Target> slots_;  // a hash table by pair, open addressing
  std::size_t n_used_ = 0;
  std::size_t n_merges_ = 0;
};

}  // namespace headroom
