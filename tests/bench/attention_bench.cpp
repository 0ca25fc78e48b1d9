// Attention backends on five shapes. Each figure stands beside the machine's own limit, measured in the same run; a backend is checked
// against the reference before it is timed.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/attention/backend.h"
#include "core/tensor/machine.h"
#include "core/tensor/matmul.h"
#include "tests/attention/conformance.h"

namespace {

using namespace headroom;
using conformance::Case;

struct Shape {
  const char* name;
  conformance::Sizes sizes;
  Direction direction;
};

constexpr Shape kShapes[] = {
    {"a_h12_kv12_d64_n128_full", {12, 12, 128, 128, 64}, Direction::kBidirectional},
    {"b_h12_kv12_d64_n1024_causal", {12, 12, 1024, 1024, 64}, Direction::kCausal},
    {"c_h32_kv8_d128_n1024_causal", {32, 8, 1024, 1024, 128}, Direction::kCausal},
    {"d_h12_kv12_d64_n4096_causal", {12, 12, 4096, 4096, 64}, Direction::kCausal},
    {"e_h32_kv8_d128_1_query_4096_keys", {32, 8, 1, 4096, 128}, Direction::kBidirectional},
};

enum class Kind { kNaive, kFlash };

/// The backend agrees with the reference on the same heads and d_head over a shorter sequence, or the program ends.
void check_first(AttentionBackend& backend, const Shape& shape) {
  conformance::Sizes small = shape.sizes;
  small.seq_q = std::min<std::int64_t>(small.seq_q, 77);
  small.seq_k = small.seq_q == 1 ? 301 : small.seq_q;
  const Case c = conformance::make_case(shape.name, small, PatternKind::kDense, shape.direction);
  const std::string wrong = conformance::check(backend, c);
  if (wrong.empty()) return;
  std::fprintf(stderr, "not timed, it is wrong: %s\n", wrong.c_str());
  std::exit(1);
}

/// Time since its making, and the FMA peak around that time: the mean of one measured before and one after.
class Stopwatch {
 public:
  explicit Stopwatch(int threads) : threads_(threads), peak_before_(measure_fma_gflops(threads)) {
    begin_ = std::chrono::steady_clock::now();
  }
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
  double fma_gflops() const { return (peak_before_ + measure_fma_gflops(threads_)) / 2; }

 private:
  int threads_;
  double peak_before_;
  std::chrono::steady_clock::time_point begin_;
};

void run(benchmark::State& state, const Shape& shape, Kind kind, int threads) {
  ThreadPool pool(threads);
  const auto backend = kind == Kind::kNaive ? make_naive_backend(pool) : make_flash_backend(pool);
  check_first(*backend, shape);
  Case c = conformance::make_case(shape.name, shape.sizes, PatternKind::kDense, shape.direction);
  c.layout = conformance::Layout::kInterleaved;
  const conformance::Problem problem(c);
  conformance::Answer answer(c, false);
  backend->run(c.config, problem.inputs, answer.outputs());
  const Stopwatch watch(threads);
  for (auto _ : state) {
    backend->run(c.config, problem.inputs, answer.outputs());
    benchmark::ClobberMemory();
  }
  const double seconds = watch.seconds() / static_cast<double>(state.iterations());
  const double pairs = static_cast<double>(count_visible(c.config.mask, 0, c.config.seq_q, c.config.seq_k));
  const double gflop = 4e-9 * pairs * static_cast<double>(c.config.n_heads * c.config.d_head);
  state.counters["GFLOP/s"] = gflop / seconds;
  state.counters["%FMA"] = 100 * gflop / seconds / watch.fma_gflops();
  if (c.config.seq_q == 1) {
    const double kv_gb = 8e-9 * static_cast<double>(c.config.n_kv_heads * c.config.seq_k * c.config.d_head);
    state.counters["KV_GB/s"] = kv_gb / seconds;
    state.counters["%DRAM"] = 100 * kv_gb / seconds / measure_read_gbps(threads);
  }
}

void run_linear(benchmark::State& state, std::int64_t rows, std::int64_t width, int threads) {
  ThreadPool pool(threads);
  const auto x = conformance::values(static_cast<std::size_t>(rows * width), 1, 1);
  const auto weight = conformance::values(static_cast<std::size_t>(width * width), 2, 1);
  std::vector<float> out(static_cast<std::size_t>(rows * width));
  const Stopwatch watch(threads);
  for (auto _ : state) {
    linear(pool, {x.data(), rows, width, width}, {weight.data(), width, width, width}, {}, {out.data(), rows, width, width});
    benchmark::ClobberMemory();
  }
  const double gflops =
      2e-9 * static_cast<double>(rows * width * width) * static_cast<double>(state.iterations()) / watch.seconds();
  state.counters["GFLOP/s"] = gflops;
  state.counters["%FMA"] = 100 * gflops / watch.fma_gflops();
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  benchmark::AddCustomContext("simd", simd_name());
  benchmark::AddCustomContext("fma_peak_one_thread_gflops", std::to_string(measure_fma_gflops(1)));
  benchmark::AddCustomContext("memory_read_one_thread_gbps", std::to_string(measure_read_gbps(1)));
  std::vector<int> thread_counts{1};
  if (processors > 1) thread_counts.push_back(processors);
  for (const int threads : thread_counts) {
    const std::string suffix = "/threads:" + std::to_string(threads);
    for (const Shape& shape : kShapes) {
      for (const Kind kind : {Kind::kNaive, Kind::kFlash}) {
        const std::string name = std::string(kind == Kind::kNaive ? "naive/" : "flash/") + shape.name + suffix;
        benchmark::RegisterBenchmark(name.c_str(),
                                     [&shape, kind, threads](benchmark::State& state) { run(state, shape, kind, threads); })
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
    for (const std::int64_t rows : {10, 32, 128, 768}) {
      const std::string name = "linear/" + std::to_string(rows) + "x768x768" + suffix;
      benchmark::RegisterBenchmark(name.c_str(),
                                   [rows, threads](benchmark::State& state) { run_linear(state, rows, 768, threads); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
