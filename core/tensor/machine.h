#pragma once

namespace headroom {

/// What the processor can do at best, measured now: the limits that the figures of a benchmark are held against. Each takes about 0.1 s.
/// The machine's speed drifts, so measure in the same run as what is compared with it.

/// Float32 multiply-adds in registers, widest SIMD that runs here, on `threads` threads at once.
/// Units   GFLOP/s, a multiply-add counting two; median of several windows, summed over threads.
double measure_fma_gflops(int threads);

/// Reading memory that no cache holds (256 MiB), `threads` threads sharing it.
/// Units   GB/s (10^9 bytes); median of several passes.
double measure_read_gbps(int threads = 1);

/// Name of the SIMD instructions that run here, e.g. "AVX-512", "AVX2", "SSE4", "NEON".
const char* simd_name();

}  // namespace headroom
