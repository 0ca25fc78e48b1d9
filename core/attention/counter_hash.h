#pragma once

#include <cstdint>
#include <initializer_list>

namespace headroom {

/// Scrambles 32 bits: equal on every platform and in shaders, which have no 64-bit integers.
/// Source  Wellons, "Prospecting for hash functions" (2018): the two-round xorshift-multiply with the constants 7feb352d, 846ca68b.
constexpr std::uint32_t scramble(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  x ^= x >> 16;
  return x;
}

/// Hash of a seed and counters: h = scramble(low seed); then h = scramble(h ^ word) for the high seed and for each counter in turn.
constexpr std::uint32_t counter_hash(std::uint64_t seed, std::initializer_list<std::uint32_t> counters) {
  std::uint32_t h = scramble(static_cast<std::uint32_t>(seed));
  h = scramble(h ^ static_cast<std::uint32_t>(seed >> 32));
  for (const std::uint32_t counter : counters) {
    h = scramble(h ^ counter);
  }
  return h;
}

}  // namespace headroom
