#include "core/tensor/machine.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <latch>
#include <numeric>
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

/// Sum of n values, n a multiple of 64 at 64-byte boundaries, as `streams` (1 or 4) equal parts side by side.
template <int kStreams>
float SumStreams(const float* values, std::int64_t n) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr std::int64_t kChains = 4 / kStreams;
  const std::int64_t part = n / kStreams;
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  const std::int64_t step = kStreams == 1 ? lanes : part;
  for (std::int64_t i = 0; i < part; i += kChains * lanes) {
    s0 = hn::Add(s0, hn::Load(d, values + i));
    s1 = hn::Add(s1, hn::Load(d, values + i + step));
    s2 = hn::Add(s2, hn::Load(d, values + i + 2 * step));
    s3 = hn::Add(s3, hn::Load(d, values + i + 3 * step));
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

float SumOneStream(const float* values, std::int64_t n) { return SumStreams<1>(values, n); }
float SumFourStreams(const float* values, std::int64_t n) { return SumStreams<4>(values, n); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(FmaRounds);
HWY_EXPORT(SumOneStream);
HWY_EXPORT(SumFourStreams);

namespace {

/// Floats that every vector width divides into four chains.
constexpr std::int64_t kReadStep = 64;
constexpr std::int64_t kPiece = std::int64_t{64} << 10;  ///< floats read at a time: small enough to share out evenly

timespec now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time;
}

/// Calls work(thread) on every thread of the pool at once; each starts when all are there.
void on_all_threads(ThreadPool& pool, const std::function<void(std::size_t thread)>& work) {
  if (pool.n_threads() == 1) {
    work(0);
    return;
  }
  std::latch start(pool.n_threads());
  pool.parallel_for(pool.n_threads(), [&](std::int64_t item, int) {
    start.arrive_and_wait();
    work(static_cast<std::size_t>(item));
  });
}

/// Sums each thread's own rate of `look`, called until `seconds` have passed; it returns what it did.
double summed_rate(ThreadPool& pool, double seconds, const std::function<double(std::size_t thread)>& look) {
  std::vector<double> rates(static_cast<std::size_t>(pool.n_threads()));
  on_all_threads(pool, [&](std::size_t thread) {
    double done = 0, passed = 0;
    const WorkClock clock(pool.n_threads());
    do {
      done += look(thread);
      passed = clock.seconds();
    } while (passed < seconds);
    rates[thread] = done / passed;
  });
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

struct Piece {
  const float* values;
  std::int64_t n;
};

std::vector<Piece> cut(std::span<const std::span<const std::byte>> blocks) {
  std::vector<Piece> pieces;
  for (const auto block : blocks) {
    const auto* const values = reinterpret_cast<const float*>(block.data());
    const auto n = static_cast<std::int64_t>(block.size() / sizeof(float)) / kReadStep * kReadStep;
    for (std::int64_t i = 0; i < n; i += kPiece)
      pieces.push_back({values + i, std::min(kPiece, n - i)});
  }
  return pieces;
}

}  // namespace

WorkClock::WorkClock(int threads) : clock_(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC), begin_(now(clock_)) {}

double WorkClock::seconds() const {
  const timespec end = now(clock_);
  return static_cast<double>(end.tv_sec - begin_.tv_sec) + 1e-9 * static_cast<double>(end.tv_nsec - begin_.tv_nsec);
}

double fma_gflops(ThreadPool& pool, double seconds) {
  constexpr std::int64_t kRoundsPerLook = 10000;
  return 1e-9 * summed_rate(pool, seconds, [](std::size_t) {
           float sink = 0;
           return HWY_DYNAMIC_DISPATCH(FmaRounds)(kRoundsPerLook, &sink);
         });
}

double read_gbps(ThreadPool& pool, std::span<const std::span<const std::byte>> blocks, ReadOrder order) {
  const std::vector<Piece> pieces = cut(blocks);
  double floats = 0;
  for (const Piece& piece : pieces)
    floats += static_cast<double>(piece.n);
  const auto read_piece = [&](std::int64_t item, int) {
    const Piece& piece = pieces[static_cast<std::size_t>(item)];
    volatile float sink = order == ReadOrder::kOneStream ? HWY_DYNAMIC_DISPATCH(SumOneStream)(piece.values, piece.n)
                                                         : HWY_DYNAMIC_DISPATCH(SumFourStreams)(piece.values, piece.n);
    static_cast<void>(sink);
  };
  const WorkClock clock(pool.n_threads());
  pool.parallel_for(std::ssize(pieces), read_piece);
  return 4e-9 * floats / clock.seconds();
}

double read_own_gbps(ThreadPool& pool, std::size_t bytes_per_thread, double seconds) {
  const auto n = static_cast<std::int64_t>(bytes_per_thread / sizeof(float)) / kReadStep * kReadStep;
  const AlignedBuffer<float> memory(static_cast<std::size_t>(n * pool.n_threads()));
  // A look at the clock costs as much as reading some kilobytes: small memory is read several times between two.
  const std::int64_t passes = std::max<std::int64_t>(1, kPiece / std::max<std::int64_t>(n, 1));
  return 1e-9 * summed_rate(pool, seconds, [&](std::size_t thread) {
           for (std::int64_t pass = 0; pass < passes; ++pass) {
             volatile float sink = HWY_DYNAMIC_DISPATCH(SumOneStream)(memory.data() + static_cast<std::int64_t>(thread) * n, n);
             static_cast<void>(sink);
           }
           return static_cast<double>(passes * n) * sizeof(float);
         });
}

}  // namespace headroom
#endif
