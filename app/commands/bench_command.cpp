#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands/command.h"
#include "app/window/export.h"
#include "app/window/frame_stats.h"
#include "core/attention/measure.h"
#include "core/gl/attention.h"
#include "core/gl/context.h"
#include "core/session/engine.h"
#include "core/session/reduce.h"
#include "core/tensor/machine.h"
#include "core/tensor/parallel.h"

namespace headroom {

namespace {

using nlohmann::ordered_json;

struct BenchOptions {
  bool as_json = false;
  double seconds = 1;  ///< for each backend and shape
};

/// One figure: what was measured, beside the limit of this machine or the baseline that it is compared with.
struct Row {
  std::string what, value, beside;
};

class Table {
 public:
  void section(const std::string& title) {
    if (!is_json_) std::cout << title << '\n' << std::flush;
    json_[title] = ordered_json::array();
    title_ = title;
  }
  void add(const Row& row) {
    if (!is_json_) std::printf("  %-52s %-20s %s\n", row.what.c_str(), row.value.c_str(), row.beside.c_str()), std::fflush(stdout);
    json_[title_].push_back({{"what", row.what}, {"value", row.value}, {"beside", row.beside}});
  }
  explicit Table(bool is_json) : is_json_(is_json) {}
  const ordered_json& json() const { return json_; }

 private:
  bool is_json_;
  std::string title_;
  ordered_json json_;
};

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The machine's limits, measured again beside every figure; the best of the run counts, since a disturbed moment is no limit.
class Limits {
 public:
  explicit Limits(int threads) : threads_(threads) {}
  double fma_gflops() { return fma_ = std::max(fma_, measure_fma_gflops(threads_)); }
  double read_gbps() { return read_ = std::max(read_, measure_read_gbps(threads_)); }

 private:
  int threads_;
  double fma_ = 0, read_ = 0;
};

void bench_attention(Table& table, Limits& limits, double seconds) {
  ThreadPool pool;
  const int threads = pool.n_threads();
  table.section("Attention, float32, " + std::to_string(threads) + " threads, " + simd_name() + " (medians)");
  const auto flash = make_flash_backend(pool), naive = make_naive_backend(pool);
  for (const KnownShape& shape : known_shapes()) {
    const double flops = attention_flops(shape.config);
    const AttentionMeasurement slow = measure_attention(*naive, shape.config, seconds),
                               fast = measure_attention(*flash, shape.config, seconds);
    std::string beside;
    if (shape.config.seq_q == 1) {
      const double kv_bytes = 8.0 * static_cast<double>(shape.config.n_kv_heads * shape.config.seq_k * shape.config.d_head);
      const double gbps = kv_bytes / fast.ms / 1e6;
      beside = text("%.1f GB/s of K and V, ", gbps) + text("%.0f %% of the memory's reads", 100 * gbps / limits.read_gbps());
    } else {
      const double gflops = flops / fast.ms / 1e6;
      beside = text("%.0f GFLOP/s, ", gflops) + text("%.0f %% of the FMA peak", 100 * gflops / limits.fma_gflops());
    }
    table.add({shape.name, text("%.3f ms", fast.ms), beside + text("; naive takes %.2f times as long", slow.ms / fast.ms)});
  }
}

void bench_gpu(Table& table, double seconds) {
  try {
    const auto context = gl::OffscreenContext::open(gl::OffscreenContext::Need::kCompute43);
    table.section("Attention by OpenGL, float32, " + context->facts().renderer + " (medians, with upload and read back)");
    const auto backend = gl::make_backend(*context, gl::Kernel::kFused);
    for (const KnownShape& shape : known_shapes()) {
      if (context->facts().is_software && attention_flops(shape.config) > 2e9) continue;  // minutes, and nobody would use it
      if (const Support support = backend->supports(shape.config); !support.ok) {
        table.add({shape.name, "-", support.reason});
        continue;
      }
      const AttentionMeasurement measured = measure_attention(*backend, shape.config, seconds);
      table.add(
          {shape.name, text("%.3f ms", measured.ms), text("%.1f GFLOP/s", attention_flops(shape.config) / measured.ms / 1e6)});
    }
  } catch (const Error& error) {
    table.section("Attention by OpenGL");
    table.add({"not measured", "-", error.what()});
  }
}

/// From a changed sentence to new heatmaps, as the engine's thread does it.
void bench_typing(Table& table, const std::filesystem::path& assets) {
  EngineOptions options;
  options.assets = assets;
  options.measures_held_out_loss = false;
  Computer computer(std::move(options));
  Session session;
  std::vector<double> times;
  std::size_t seq = 0;
  for (int i = 0; i < 41; ++i) {
    std::string words = i % 2 == 0 ? "cats" : "dogs";
    for (int w = 1; w < 31; ++w)
      words += w % 3 == 0 ? " the" : " mat";
    session = reduce(session, TextEdited{words}).session;
    const auto snapshot = computer.compute(session.compute, static_cast<std::uint64_t>(i) + 1);
    seq = snapshot->seq();
    if (i > 0) times.push_back(snapshot->engine_ms);
  }
  table.section("Typing (bundled model, " + std::to_string(seq) + " tokens)");
  table.add({"from the sentence to all heatmaps, median", text("%.2f ms", median(times)), "target: under 16 ms"});
  table.add({"slowest of 40", text("%.2f ms", *std::max_element(times.begin(), times.end())), ""});
}

void bench_frames(Table& table, const std::filesystem::path& assets) {
  table.section("One frame of the window, 1600x900 (processor time of this thread)");
  try {
    EngineOptions options;
    options.assets = assets;
    Computer computer(std::move(options));
    const Session session;
    const auto snapshot = computer.compute(session.compute, 1);
    const auto frames = measure_frames(export_model(session, snapshot), {1600, 900}, 1, 60);
    std::vector<double> own;
    for (std::size_t i = frames.size() / 2; i < frames.size(); ++i)
      own.push_back(frames[i].cpu_ms);
    const FrameStats& last = frames.back();
    table.add({"views, figures, painter and ImGui, median", text("%.3f ms", median(own)), "target: at most 1 ms"});
    table.add({"draw calls", std::to_string(last.draw_calls), "target: at most 30"});
    table.add({"vertices", std::to_string(last.vertices), std::to_string(last.bytes_uploaded) + " bytes uploaded"});
  } catch (const Error& error) {
    table.add({"not measured", "-", error.what()});
  }
}

void bench(const BenchOptions& options, const std::filesystem::path& assets) {
  Table table(options.as_json);
  const int threads = ThreadPool().n_threads();
  table.section("This machine, headroom " HEADROOM_VERSION ", compiled by " __VERSION__);
  table.add({"FMA peak, 1 thread", text("%.1f GFLOP/s", measure_fma_gflops(1)), simd_name()});
  Limits limits(threads);
  table.add({"FMA peak, " + std::to_string(threads) + " threads", text("%.1f GFLOP/s", limits.fma_gflops()), ""});
  table.add({"memory reads, " + std::to_string(threads) + " threads", text("%.1f GB/s", limits.read_gbps()), ""});
  bench_attention(table, limits, options.seconds);
  bench_gpu(table, options.seconds);
  bench_typing(table, assets);
  bench_frames(table, assets);
  if (options.as_json) std::cout << table.json().dump(2) << '\n';
}

}  // namespace

void add_bench_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("bench", "Measure this machine: attention, typing latency, frame cost, each beside its limit");
  auto options = std::make_shared<BenchOptions>();
  command->add_flag("--json", options->as_json, "Print JSON");
  command->add_option("--seconds", options->seconds, "Time for each backend and shape")
      ->check(CLI::Range(0.05, 60.0))
      ->capture_default_str()
      ->type_name("S");
  command->footer(
      "Takes about a minute. Every backend is compared with the reference before it is timed.\nExample:\n  headroom bench "
      "--seconds 0.2");
  command->callback([&line, options] {
    line.run = [options](const std::filesystem::path& assets) {
      bench(*options, assets);
      return 0;
    };
  });
}

}  // namespace headroom
