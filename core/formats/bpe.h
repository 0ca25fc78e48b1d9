#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace headroom {

/// Byte-pair encoding's merges: two neighbouring symbols become one, the earliest merge in the list first.
/// Source  Sennrich et al. 2016, arXiv:1508.07909, algorithm 1.
class BpeMerges {
 public:
  struct Merge {
    std::int32_t left = 0, right = 0, merged = 0;
  };

  /// Merges in order of their rank. A pair that comes twice keeps its last place, as in the reference.
  void add(const Merge& merge);
  std::size_t size() const { return n_merges_; }
  /// Merges in place until none applies. Time  n log n in the number of symbols.
  void apply(std::vector<std::int32_t>& symbols) const;

 private:
  struct Target {
    std::int32_t rank = 0, merged = 0;
  };
  const Target* find(std::int32_t left, std::int32_t right) const;

  std::unordered_map<std::uint64_t, Target> targets_;
  std::size_t n_merges_ = 0;
};

}  // namespace headroom
