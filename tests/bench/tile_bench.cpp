// What evaluating attention probabilities costs: row sums and tiles of one head of a long text, each beside the FMA peak measured in turns
// with it. One thread is timed by its processor time. A case is checked against plain double arithmetic before it is timed.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "core/analysis/tile.h"
#include "core/tensor/machine.h"

namespace {

using namespace headroom;

/// One layer's q and k with 12 heads side by side, of which the cases look at one: memory lies as in a model.
ForwardTrace make_trace(std::int64_t seq, std::int64_t n_heads, std::int64_t d_head) {
  ForwardTrace trace;
  trace.ids.assign(static_cast<std::size_t>(seq), 0);
  LayerTrace& layer = trace.layers.emplace_back();
  layer.d_head = d_head;
  layer.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(d_head)));
  for (std::int64_t h = 0; h < n_heads; ++h) {
    layer.heads.push_back(h);
    layer.kv_head_of.push_back(h);
  }
  std::uint32_t state = 1;
  for (Tensor* tensor : {&layer.attention.q, &layer.attention.k}) {
    *tensor = Tensor({seq, n_heads * d_head});
    for (float& value : tensor->span()) {
      state = state * 1664525U + 1013904223U;
      value = static_cast<float>(state >> 8) / 4194304.0F - 2.0F;
    }
  }
  layer.row_sums = make_row_sums(layer);
  return trace;
}

double score_of(const ForwardTrace& trace, std::int64_t head, std::int64_t i, std::int64_t j) {
  const LayerTrace& layer = trace.layers[0];
  const auto begin = static_cast<std::size_t>(head * layer.d_head);
  double sum = 0;
  for (std::size_t c = begin; c < begin + static_cast<std::size_t>(layer.d_head); ++c) {
    sum += static_cast<double>(layer.attention.q.row(i)[c]) * static_cast<double>(layer.attention.k.row(j)[c]);
  }
  return sum * static_cast<double>(layer.scale);
}

/// Some probabilities of some rows agree with their definition, or the program ends.
void check_first(const ForwardTrace& trace) {
  const std::int64_t seq = std::ssize(trace.ids);
  for (const std::int64_t row : {seq - 1, seq / 2, std::int64_t{0}}) {
    double sum = 0;
    for (std::int64_t j = 0; j <= row; ++j)
      sum += std::exp(score_of(trace, 3, row, j));
    const std::vector<float> probs = evaluate_row(trace, 0, 3, row);
    for (std::int64_t j = 0; j <= row; j += 1 + row / 50) {
      const double expected = std::exp(score_of(trace, 3, row, j)) / sum;
      if (std::abs(static_cast<double>(probs[static_cast<std::size_t>(j)]) - expected) <= 1e-4 * expected) continue;
      std::fprintf(stderr, "not timed, it is wrong: row %lld, key %lld\n", static_cast<long long>(row), static_cast<long long>(j));
      std::exit(1);
    }
  }
}

struct Case {
  std::string name;
  TileRequest request;
  bool has_known_sums = false;
};

std::vector<Case> cases(std::int64_t n) {
  const std::int64_t deep = n * 4 / 5 / 512 * 512;
  const TileRequest exact{
      .head = 3, .row_begin = deep, .row_end = deep + 512, .col_begin = n / 2, .col_end = n / 2 + 512, .rows = 512, .cols = 512};
  TileRequest whole{.head = 3, .row_begin = 0, .row_end = n, .col_begin = 0, .col_end = n, .rows = 512, .cols = 512};
  TileRequest mean = whole, sampled = whole;
  mean.pooling = Pooling::kMean;
  sampled.row_samples = 1;
  return {{"exact_512_deep", exact},
          {"exact_512_deep_known", exact, true},
          {"whole_max_512", whole},
          {"whole_max_512_known", whole, true},
          {"whole_mean_512_known", mean, true},
          {"whole_sampled_1_row", sampled}};
}

/// Visible pairs whose scores the tile needs, and those that the row sums need.
double pairs_of(const TileRequest& request, bool has_known_sums) {
  double pairs = 0;
  for (const std::int64_t offset : sampled_offsets(request)) {
    const std::int64_t row = request.row_begin + offset;
    pairs += static_cast<double>(std::max<std::int64_t>(0, std::min(request.col_end, row + 1) - request.col_begin));
    if (!has_known_sums) pairs += static_cast<double>(row + 1);
  }
  return pairs;
}

void run(benchmark::State& state, const ForwardTrace& trace, const Case& c, int threads) {
  ThreadPool pool(threads);
  const double gflop = 2e-9 * pairs_of(c.request, c.has_known_sums) * static_cast<double>(trace.layers[0].d_head);
  double best = 1e9, peak = 0;
  ForwardTrace fresh = trace;  // the same q and k; row sums of its own
  fresh.layers[0].row_sums = make_row_sums(fresh.layers[0]);
  if (c.has_known_sums) evaluate_tile(fresh, c.request, {}, &pool);
  for (auto _ : state) {
    if (!c.has_known_sums) fresh.layers[0].row_sums = make_row_sums(fresh.layers[0]);
    peak = std::max(peak, fma_gflops(pool, 0.02));
    const WorkClock clock(threads);
    benchmark::DoNotOptimize(evaluate_tile(fresh, c.request, {}, &pool));
    const double seconds = clock.seconds();
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
  }
  state.counters["best_ms"] = best * 1e3;
  state.counters["GFLOP/s"] = gflop / best;
  state.counters["%FMA"] = 100 * gflop / best / peak;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("simd", simd_name());
  std::vector<ForwardTrace> traces;
  for (const std::int64_t n : {4096, 100'000}) {
    traces.push_back(make_trace(n, 12, 64));
    check_first(traces.back());
  }
  const int processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<int> thread_counts{1};
  if (processors > 1) thread_counts.push_back(processors);
  for (const ForwardTrace& trace : traces) {
    const std::int64_t n = std::ssize(trace.ids);
    for (const int threads : thread_counts) {
      for (const Case& c : cases(n)) {
        const std::string name = c.name + "/n:" + std::to_string(n) + "/threads:" + std::to_string(threads);
        benchmark::RegisterBenchmark(name.c_str(), [&trace, c, threads](benchmark::State& state) { run(state, trace, c, threads); })
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
