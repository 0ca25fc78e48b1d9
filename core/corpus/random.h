#pragma once

#include <cstdint>

namespace headroom {

/// Random numbers of one row: splitmix64 (Steele et al. 2014), started by hashing what the row is a function of.
class RowRandom {
 public:
  RowRandom(std::uint64_t stream, std::uint64_t seed, std::uint64_t index)
      : state_(mix(mix(mix(stream + kStep) ^ (seed + kStep)) ^ (index + kStep))) {}
  std::uint64_t next() { return mix(state_ += kStep); }
  /// In [0, 1), 24 random bits.
  float unit() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
  /// In [0, n); the largest error of a probability is n / 2^32.
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(((next() >> 32) * n) >> 32); }

 private:
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15u;
  static std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

}  // namespace headroom
