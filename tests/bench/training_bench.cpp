// A training step (forward, backward, AdamW) of small models, in tokens a second beside the machine's own FMA peak, which is measured right
// before and after. tests/bench/pytorch_training.py times the same steps in PyTorch, in turns with this program.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "core/speed/commit.h"
#include "core/speed/measuring.h"
#include "core/tensor/machine.h"
#include "core/training/adamw.h"
#include "core/training/network.h"

namespace {

using namespace headroom;

constexpr double kLimitSeconds = 0.02;

struct Shape {
  std::string name;
  ModelConfig config;
  std::int64_t n_rows = 0, seq = 0;
};

/// GPT-2's block: learned positions, LayerNorm before, tanh-GELU of four times the width, all biases, tied.
ModelConfig gpt2(std::int64_t n_layers, std::int64_t d_model, std::int64_t n_heads, std::int64_t vocab_size) {
  ModelConfig config;
  config.family = "gpt2";
  config.shape = {n_layers, d_model, n_heads, n_heads, d_model / n_heads, 4 * d_model, vocab_size, 64};
  config.norm = NormKind::kLayer;
  config.positions = PositionKind::kLearned;
  config.mlp = MlpKind::kGeluTanh;
  config.rms_norm_eps = 1e-5F;
  config.has_o_bias = config.has_mlp_bias = true;
  return config;
}

/// Rotary positions, RMSNorm before, SwiGLU of 8/3 of the width.
ModelConfig qwen2(std::int64_t n_layers, std::int64_t d_model, std::int64_t n_heads, std::int64_t vocab_size) {
  ModelConfig config;
  config.shape = {n_layers, d_model, n_heads, n_heads, d_model / n_heads, (d_model * 8 / 3 + 7) / 8 * 8, vocab_size, 64};
  config.rope_theta = 100;
  return config;
}

/// The names that pytorch_training.py knows too come first.
std::vector<Shape> shapes() {
  return {{"tiny-gpt", gpt2(2, 64, 4, 512), 32, 64},    {"d32", gpt2(2, 32, 4, 366), 16, 48},
          {"d512", gpt2(2, 512, 8, 512), 16, 64},       {"rotary-d32", qwen2(2, 32, 4, 366), 16, 48},
          {"rotary-d64", qwen2(2, 64, 8, 366), 16, 48}, {"rotary-d128", qwen2(4, 128, 8, 366), 16, 48}};
}

Batch random_batch(const Shape& shape) {
  std::mt19937 random(1);
  const auto vocab_size = static_cast<std::uint32_t>(shape.config.shape.vocab_size);
  Batch batch;
  batch.n_rows = shape.n_rows;
  batch.seq = shape.seq;
  for (std::int64_t i = 0; i < batch.n_tokens(); ++i) {
    batch.inputs.push_back(static_cast<std::int32_t>(random() % vocab_size));
    batch.targets.push_back(static_cast<std::int32_t>(random() % vocab_size));
  }
  return batch;
}

double process_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Counters: tokens a second (median step; quickest step), GFLOP/s and share of the FMA peak (both of the median step), and how busy the
/// threads were. One thread is timed by its processor time, several by the wall.
void train(benchmark::State& state, const Shape& shape, int threads) {
  ThreadPool pool(threads);
  Network network(shape.config, pool);
  // As Adam in PyTorch: without a clip.
  AdamW optimiser(network.layout(), {.clip_norm = 0});
  std::ranges::copy(draw_parameters(network.layout(), 1), network.parameters().begin());
  network.parameters_changed();
  const Batch batch = random_batch(shape);
  const Network::Accumulation how{.scale = 1 / static_cast<float>(batch.n_tokens())};
  const auto step = [&] {
    network.accumulate(batch, how);
    optimiser.step(pool, network.parameters(), network.gradients(), 1e-3F);
    network.parameters_changed();
  };
  for (int i = 0; i < 3; ++i)
    step();
  const double limit_before = fma_gflops(pool, kLimitSeconds);
  std::vector<double> seconds;
  const WorkClock wall(2);  // several threads: by the wall
  const double processor = process_seconds();
  for (auto _ : state) {
    const WorkClock clock(threads);
    step();
    seconds.push_back(clock.seconds());
  }
  const double busy = (process_seconds() - processor) / (wall.seconds() * threads);
  const double limit = (limit_before + fma_gflops(pool, kLimitSeconds)) / 2;
  std::ranges::sort(seconds);
  const double median = seconds[seconds.size() / 2];
  const auto tokens = static_cast<double>(batch.n_tokens());
  const double gflops = network.flops(batch) / median * 1e-9;
  state.counters["tokens/s"] = tokens / median;
  state.counters["best tokens/s"] = tokens / seconds.front();
  state.counters["GFLOP/s"] = gflops;
  state.counters["%FMA"] = 100 * gflops / limit;
  state.counters["%busy"] = 100 * busy;
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
  for (const Shape& shape : shapes()) {
    for (const int threads : {1, 2}) {
      benchmark::RegisterBenchmark((shape.name + "/threads:" + std::to_string(threads)).c_str(),
                                   [shape, threads](benchmark::State& state) { train(state, shape, threads); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
