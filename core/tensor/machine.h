#pragma once

#include <cstddef>
#include <ctime>
#include <span>
#include <string>

#include "core/tensor/parallel.h"

namespace headroom {

/// Time since its making. Where one thread works alone: processor time of that thread, which other programs do not lengthen. Else the wall
/// clock, since the time of several threads ends with the last one.
class WorkClock {
 public:
  explicit WorkClock(int threads);
  double seconds() const;
  /// "thread" or "wall"
  static const char* name(int threads) { return threads == 1 ? "thread" : "wall"; }

 private:
  clockid_t clock_;
  timespec begin_;
};

// What the processor can do at best, measured now: the limits that the figures of a benchmark are held against. A machine's speed drifts
// within minutes, so these are measured in turns with what is compared with them.

/// Float32 multiply-adds in registers, widest SIMD that runs here, on every thread of the pool at once for about `seconds`.
/// Units   GFLOP/s, a multiply-add counting two; summed over threads.
double fma_gflops(ThreadPool& pool, double seconds);

/// How a loop goes through memory: memories differ in which they like better.
enum class ReadOrder { kOneStream, kFourStreams };
/// Reads every byte of the blocks once, shared over the pool's threads.
/// Units   GB/s (10^9 bytes). Edge  what a block has beyond a multiple of 256 bytes is not read, nor counted; blocks begin at multiples of 64.
double read_gbps(ThreadPool& pool, std::span<const std::span<const std::byte>> blocks, ReadOrder order);

/// Each thread of the pool reads `bytes_per_thread` of its own memory over and over for about `seconds`: with less than a cache holds, what
/// that cache gives. Units   GB/s, summed over threads.
double read_own_gbps(ThreadPool& pool, std::size_t bytes_per_thread, double seconds);

/// Name of the SIMD instructions that run here, e.g. "AVX-512", "AVX2", "SSE4", "NEON".
const char* simd_name();

/// What the operating system calls the processor: "AMD EPYC"; "unknown processor" where it does not tell.
std::string cpu_name();

/// Bytes of the data cache of a level (1, 2, 3) that one core sees, as the operating system tells; 0 where it does not.
std::size_t cache_bytes(int level);

}  // namespace headroom
