// From a changed sentence to all heatmaps, on the bundled model, as the engine's thread does it; and what a changed view or head costs.

#include <benchmark/benchmark.h>

#include <string>

#include "core/session/engine.h"
#include "core/session/reduce.h"

namespace {

using namespace headroom;

EngineOptions options() {
  EngineOptions options;
  options.assets = HEADROOM_SOURCE_DIR "/assets";
  options.measures_held_out_loss = false;
  return options;
}

/// `n` known words that differ from run to run in the first one.
std::string sentence(std::int64_t n, bool is_odd) {
  std::string text = is_odd ? "cats" : "dogs";
  for (std::int64_t i = 1; i < n; ++i)
    text += i % 3 == 0 ? " the" : " mat";
  return text;
}

void typing(benchmark::State& state) {
  Computer computer(options());
  Session session;
  std::uint64_t id = 0;
  computer.compute(session.compute, ++id);
  for (auto _ : state) {
    session.compute.text = sentence(state.range(0) - 1, id % 2 == 0);  // <bos> is the first token
    benchmark::DoNotOptimize(computer.compute(session.compute, ++id));
  }
  state.SetLabel("tokens " + std::to_string(state.range(0)) + "; target for 32: under 16 ms");
}
BENCHMARK(typing)->Arg(10)->Arg(32)->Arg(64)->Arg(512)->UseRealTime()->Unit(benchmark::kMillisecond);

void pruning_a_head(benchmark::State& state) {
  Computer computer(options());
  Session session;
  std::uint64_t id = 0;
  computer.compute(session.compute, ++id);
  for (auto _ : state) {
    session = reduce(session, HeadPruneToggled{{1, static_cast<std::int64_t>(id % 8)}}).session;
    benchmark::DoNotOptimize(computer.compute(session.compute, ++id));
  }
}
BENCHMARK(pruning_a_head)->UseRealTime()->Unit(benchmark::kMillisecond);

void held_out_loss(benchmark::State& state) {
  EngineOptions with_loss = options();
  with_loss.measures_held_out_loss = true;
  Computer computer(with_loss);
  Session session;
  std::uint64_t id = 0;
  for (auto _ : state) {
    session = reduce(session, HeadPruneToggled{{static_cast<std::int64_t>(id / 8 % 4), static_cast<std::int64_t>(id % 8)}}).session;
    const auto snapshot = computer.compute(session.compute, ++id);
    benchmark::DoNotOptimize(computer.add_held_out_loss(snapshot));
  }
}
BENCHMARK(held_out_loss)->UseRealTime()->Unit(benchmark::kMillisecond)->Iterations(16);

}  // namespace

BENCHMARK_MAIN();
