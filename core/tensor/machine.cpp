#include "core/tensor/machine.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

#include "core/tensor/aligned_buffer.h"
#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/tensor/machine.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// n rounds of 12 independent chains of multiply-adds: more than any processor's latency times its units. Returns the flops; `sink`
/// keeps the compiler from dropping them.
double FmaRounds(std::int64_t n, float* sink) {
  const hn::ScalableTag<float> d;
  const auto a = hn::Set(d, 0.999F + *sink), b = hn::Set(d, 0.001F);
  // Chains that began alike would be one chain to the compiler.
  const auto start = [&](float value) HWY_ATTR { return hn::Set(d, value + *sink); };
  auto c0 = start(0.0F), c1 = start(0.1F), c2 = start(0.2F), c3 = start(0.3F), c4 = start(0.4F), c5 = start(0.5F);
  auto c6 = start(0.6F), c7 = start(0.7F), c8 = start(0.8F), c9 = start(0.9F), c10 = start(1.0F), c11 = start(1.1F);
  for (std::int64_t i = 0; i < n; ++i) {
    c0 = hn::MulAdd(c0, a, b);
    c1 = hn::MulAdd(c1, a, b);
    c2 = hn::MulAdd(c2, a, b);
    c3 = hn::MulAdd(c3, a, b);
    c4 = hn::MulAdd(c4, a, b);
    c5 = hn::MulAdd(c5, a, b);
    c6 = hn::MulAdd(c6, a, b);
    c7 = hn::MulAdd(c7, a, b);
    c8 = hn::MulAdd(c8, a, b);
    c9 = hn::MulAdd(c9, a, b);
    c10 = hn::MulAdd(c10, a, b);
    c11 = hn::MulAdd(c11, a, b);
  }
  const auto low = hn::Add(hn::Add(hn::Add(c0, c1), hn::Add(c2, c3)), hn::Add(c4, c5));
  const auto high = hn::Add(hn::Add(hn::Add(c6, c7), hn::Add(c8, c9)), hn::Add(c10, c11));
  *sink = hn::GetLane(hn::SumOfLanes(d, hn::Add(low, high))) * 1e-30F;
  return 2.0 * 12.0 * static_cast<double>(n) * static_cast<double>(hn::Lanes(d));
}

float SumOf(const float* values, std::int64_t n) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (std::int64_t i = 0; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::Load(d, values + i));
    s1 = hn::Add(s1, hn::Load(d, values + i + lanes));
    s2 = hn::Add(s2, hn::Load(d, values + i + 2 * lanes));
    s3 = hn::Add(s3, hn::Load(d, values + i + 3 * lanes));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(FmaRounds);
HWY_EXPORT(SumOf);

namespace {

constexpr int kWindows = 5;

/// Runs work(thread, window) on all threads at once and returns the median window's rates, summed over the threads.
double median_rate(int threads, const std::function<double(int thread)>& rate) {
  threads = std::max(1, threads);
  std::vector<double> totals;
  for (int window = 0; window < kWindows; ++window) {
    std::vector<double> rates(static_cast<std::size_t>(threads));
    std::latch start(threads);
    {
      std::vector<std::jthread> crew;
      for (int thread = 0; thread < threads; ++thread) {
        crew.emplace_back([&, thread] {
          start.arrive_and_wait();
          rates[static_cast<std::size_t>(thread)] = rate(thread);
        });
      }
    }
    double total = 0;
    for (const double r : rates) {
      total += r;
    }
    totals.push_back(total);
  }
  std::nth_element(totals.begin(), totals.begin() + kWindows / 2, totals.end());
  return totals[kWindows / 2];
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

double measure_fma_gflops(int threads) {
  return median_rate(threads, [](int) {
    constexpr std::int64_t kRoundsPerLook = 20000;
    constexpr double kWindowSeconds = 0.02;
    float sink = 0;
    double flops = 0, seconds = 0;
    const auto begin = std::chrono::steady_clock::now();
    while (seconds < kWindowSeconds) {
      flops += HWY_DYNAMIC_DISPATCH(FmaRounds)(kRoundsPerLook, &sink);
      seconds = seconds_since(begin);
    }
    return flops / seconds * 1e-9;
  });
}

double measure_read_gbps(int threads) {
  constexpr std::int64_t kFloats = 64LL << 20;
  const AlignedBuffer<float> memory(static_cast<std::size_t>(kFloats));
  threads = std::max(1, threads);
  const std::int64_t share = kFloats / threads / 64 * 64;  // whole cache lines
  return median_rate(threads, [&](int thread) {
    const auto begin = std::chrono::steady_clock::now();
    volatile float sink = HWY_DYNAMIC_DISPATCH(SumOf)(memory.data() + thread * share, share);
    static_cast<void>(sink);
    return static_cast<double>(share) * sizeof(float) / seconds_since(begin) * 1e-9;
  });
}

}  // namespace headroom
#endif
