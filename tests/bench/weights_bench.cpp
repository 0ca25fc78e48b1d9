// A linear layer whose parameters are stored in 16 bits, beside the same in float32: one run, the types in turn, the best of many short
// windows of each. `ratio` is float32's time over this type's: above 1 is faster.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "core/tensor/dtype.h"
#include "core/tensor/matmul.h"
#include "core/tensor/tensor.h"

namespace headroom {
namespace {

struct Layer {
  const char* name;
  std::int64_t rows, depth, width;
};
// Of GPT-2 small: reading a text of 512 tokens, of 64, and writing one token (all of the vocabulary's matrix, far larger than any cache).
constexpr Layer kLayers[] = {{"prefill_512_mlp", 512, 768, 3072},
                             {"prefill_512_down", 512, 3072, 768},
                             {"prefill_64_mlp", 64, 768, 3072},
                             {"decode_vocabulary", 1, 768, 50257}};
constexpr std::array kTypes = {FloatType::kFloat32, FloatType::kFloat16, FloatType::kBFloat16};

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Tensor stored(const Tensor& wide, FloatType type) {
  if (type == FloatType::kFloat32) return wide;
  Tensor narrow(wide.shape(), type);
  type == FloatType::kFloat16 ? to_float16(wide.span(), narrow.bits()) : to_bfloat16(wide.span(), narrow.bits());
  return narrow;
}

void types_in_turn(benchmark::State& state, const Layer& layer) {
  ThreadPool pool(1);
  Tensor x({layer.rows, layer.depth}), weight({layer.width, layer.depth}), out({layer.rows, layer.width}, Fill::kNone);
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<float>(i % 97) / 97.0F - 0.5F;
  for (std::int64_t i = 0; i < weight.size(); ++i)
    weight.data()[i] = static_cast<float>(i % 89) / 89.0F - 0.5F;
  std::array<Tensor, kTypes.size()> weights;
  for (std::size_t t = 0; t < kTypes.size(); ++t)
    weights[t] = stored(weight, kTypes[t]);
  std::array<double, kTypes.size()> best;
  best.fill(std::numeric_limits<double>::infinity());
  for (auto _ : state) {
    for (std::size_t t = 0; t < kTypes.size(); ++t) {
      const double begin = thread_seconds();
      linear(pool, x.matrix(), weights[t].weights(), {}, out.matrix());
      best[t] = std::min(best[t], thread_seconds() - begin);
    }
  }
  const double flops = 2.0 * static_cast<double>(layer.rows * layer.depth * layer.width);
  for (std::size_t t = 0; t < kTypes.size(); ++t) {
    const std::string name = float_type_name(kTypes[t]);
    state.counters[name + "_gflops"] = flops / best[t] / 1e9;
    if (t > 0) state.counters[name + "_ratio"] = best[0] / best[t];
  }
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const Layer& layer : kLayers)
    benchmark::RegisterBenchmark((std::string("stored_weights/") + layer.name).c_str(), [&layer](benchmark::State& state) {
      types_in_turn(state, layer);
    })->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace headroom

BENCHMARK_MAIN();
