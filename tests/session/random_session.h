#pragma once

#include <cstdint>
#include <string>

#include "core/session/action.h"

namespace headroom::testing {

/// splitmix64: the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  /// In [low, high].
  std::int64_t in(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(std::int64_t n) { return in(1, n) == 1; }
  double unit() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }
  /// Mostly near what is valid, sometimes far off, sometimes at the ends of the type.
  std::int64_t wild(std::int64_t low, std::int64_t high);

 private:
  std::uint64_t state_;
};

/// Any bytes: words, controls, emoji, right-to-left marks, invalid UTF-8, NUL.
std::string random_text(Random& random);
/// Any of all actions (SessionReplaced with a Session whose every field is wild), valid or not.
Action random_action(Random& random);
/// Index of the alternative.
Action random_action(Random& random, std::size_t index);

/// Every rule that a Session has to keep, spelled out again from their definitions; fails the running test where one is broken.
void expect_valid(const Session& session);

}  // namespace headroom::testing
