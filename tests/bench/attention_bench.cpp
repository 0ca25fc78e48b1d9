// The cases of `headroom bench` under Google Benchmark, for its filters, repetitions and formats. Each is checked against the reference
// before it is timed, and stands beside the machine's own limit, measured right before and after it.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/speed/cases.h"
#include "core/speed/commit.h"
#include "core/speed/problem.h"
#include "core/speed/products.h"
#include "core/tensor/error.h"
#include "core/tensor/machine.h"
#include "core/tensor/matmul.h"

namespace {

using namespace headroom;

constexpr double kLimitSeconds = 0.02;

/// What the machine can do now, on so many threads.
struct Limit {
  int threads;
  std::function<double()> rate;  ///< units a second
};

/// Runs the loop between two looks at the limit, in units a second, and tells rate and share (of one thread: by its processor time).
void run_beside(benchmark::State& state, const Limit& limit, double amount_per_call, const std::function<void()>& call) {
  call();
  const double before = limit.rate();
  const WorkClock clock(limit.threads);
  for (auto _ : state) {
    call();
    benchmark::ClobberMemory();
  }
  const double rate = amount_per_call * static_cast<double>(state.iterations()) / clock.seconds();
  state.counters["G/s"] = rate * 1e-9;
  state.counters["%limit"] = 100 * rate / ((before + limit.rate()) / 2);
}

std::unique_ptr<AttentionBackend> make_backend(const std::string& name, ThreadPool& pool) {
  return name == "naive" ? make_naive_backend(pool) : make_flash_backend(pool);
}

/// Throws when wrong: the program ends with the sentence instead of timing it.
void attention(benchmark::State& state, const SpeedCase& c, const std::string& backend_name, int threads) {
  ThreadPool pool(threads);
  const auto backend = make_backend(backend_name, pool);
  check_against_reference(*backend, c.config);
  AttentionProblem problem(c.config);
  run_beside(state, {threads, [&] { return 1e9 * fma_gflops(pool, kLimitSeconds); }}, flops_of(c),
             [&] { backend->run(c.config, problem.inputs(), problem.outputs()); });
}

void decoding(benchmark::State& state, const SpeedCase& c, KvStorage storage, int threads) {
  ThreadPool pool(threads);
  const auto backend = make_flash_backend(pool);
  AttentionConfig config = c.config;
  config.kv_storage = storage;
  check_against_reference(*backend, config);
  // The argument: bytes of caches in rotation; 0 is one cache, read again and again.
  AttentionProblem problem(config, static_cast<double>(state.range(0)));
  const auto limit = [&] {
    double gbps = 0;
    for (int i = 0; i < 10; ++i) {
      problem.turn_to_next_copy();
      gbps += read_gbps(pool, problem.kv_blocks(), i % 2 == 0 ? ReadOrder::kOneStream : ReadOrder::kFourStreams) / 10;
    }
    return 1e9 * gbps;
  };
  run_beside(state, {threads, limit}, kv_bytes_of(config), [&] {
    problem.turn_to_next_copy();
    backend->run(config, problem.inputs(), problem.outputs());
  });
}

void product(benchmark::State& state, const SpeedCase& c, const std::string& backend_name, int threads) {
  ThreadPool pool(threads);
  const Multiply multiply = [&](ConstMatrixView x, ConstMatrixView weight, MatrixView out) {
    backend_name == "naive" ? multiply_by_eigen(pool, x, weight, out) : linear(pool, x, weight, {}, out);
  };
  check_product(backend_name, multiply, c.depth);
  Product p(c.rows, c.depth, c.width);
  run_beside(state, {threads, [&] { return 1e9 * fma_gflops(pool, kLimitSeconds); }}, flops_of(c),
             [&] { multiply(p.x(), p.weight(), p.out()); });
}

benchmark::internal::Benchmark* add(const std::string& name, std::function<void(benchmark::State&)> run) {
  return benchmark::RegisterBenchmark(name.c_str(), std::move(run))->UseRealTime()->Unit(benchmark::kMillisecond);
}

void add_case(const SpeedCase& c, int threads) {
  const std::string suffix = "/threads:" + std::to_string(threads);
  if (c.kind == SpeedCase::Kind::kDecode) {
    for (const KvStorage storage : {KvStorage::kFloat32, KvStorage::kFloat16, KvStorage::kBFloat16}) {
      add(c.name + "/flash/" + kv_storage_name(storage) + suffix,
          [&c, storage, threads](benchmark::State& state) { decoding(state, c, storage, threads); })
          ->ArgName("bytes")
          ->Arg(0)
          ->Arg(512'000'000);
    }
    return;
  }
  for (const std::string backend : {"naive", "flash"}) {
    add(c.name + "/" + backend + suffix, [&c, backend, threads](benchmark::State& state) {
      c.kind == SpeedCase::Kind::kProduct ? product(state, c, backend, threads) : attention(state, c, backend, threads);
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const MachineFacts machine = machine_facts();
  benchmark::AddCustomContext("commit", source_commit());
  benchmark::AddCustomContext("compiler", machine.compiler);
  benchmark::AddCustomContext("cpu", machine.cpu);
  benchmark::AddCustomContext("simd", machine.simd);
  std::vector<int> thread_counts{1};
  if (const int all = ThreadPool().n_threads(); all > 1) thread_counts.push_back(all);
  for (const int threads : thread_counts) {
    for (const SpeedCase& c : speed_cases())
      add_case(c, threads);
  }
  try {
    benchmark::RunSpecifiedBenchmarks();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  benchmark::Shutdown();
  return 0;
}
