#pragma once

#include <cmath>
#include <memory>
#include <string>

#include "core/session/speed.h"

namespace headroom {

inline SpeedRow made_up_row(const std::string& backend, double ms, double gflops, int threads) {
  SpeedRow row;
  row.name = "custom";
  row.backend = backend;
  row.threads = threads;
  row.ms = ms;
  row.gflops = gflops;
  if (threads > 0) row.percent_of_limit = 100 * gflops / 402.5;
  row.limit = "FMA peak";
  row.limit_value = 402.5;
  row.limit_unit = "GFLOP/s";
  row.storage = "float32";
  row.rounds = 7;
  row.clock = threads > 0 ? "wall" : "gpu";
  row.largest_error = 3.1e-7;
  return row;
}

inline Ladder made_up_ladder(const SpeedShape& shape) {
  Ladder ladder;
  ladder.shape = shape;
  ladder.threads = 2;
  ladder.largest_difference = 4.8e-7;
  ladder.recompute_ms = 8.73;
  const auto step = [](const char* name, double ms, double moved, double allocated) {
    LadderStep made;
    made.name = name;
    made.what = std::string("What ") + name + " does.";
    made.ms = ms;
    made.ratio = 96.4 / ms;
    made.flops = 5.6e9;
    made.bytes_moved = moved;
    made.bytes_allocated = allocated;
    made.n_kv_heads = 12;
    return made;
  };
  ladder.steps = {step("per-head loops", 96.4, 214e6, 50.3e6), step("fused q k v", 61.2, 214e6, 50.3e6),
                  step("flash", 12.8, 14e6, 0.4e6), step("GQA", 8.73, 9e6, 0.4e6), step("K/V cache", 0.094, 2.1e6, 0.02e6)};
  ladder.steps[3].n_kv_heads = ladder.steps[4].n_kv_heads = 3;
  return ladder;
}

inline Roofline made_up_roofline(const SpeedShape& shape) {
  Roofline roofline;
  roofline.shape = shape;
  roofline.threads = 2;
  roofline.roofs = {{"FMA peak", 402.5, "GFLOP/s", 0},
                    {"L2 reads", 341, "GB/s", 2e6},
                    {"L3 reads", 58.4, "GB/s", 2.4e7},
                    {"memory reads", 31.2, "GB/s", 1e9}};
  const auto point = [](const char* kernel, double intensity, double gflops, double ms, double roof, const char* roof_name) {
    RooflinePoint made;
    made.kernel = kernel;
    made.intensity = intensity;
    made.gflops = gflops;
    made.ms = ms;
    made.flops = gflops * ms * 1e6;
    made.bytes = made.flops / intensity;
    made.roof_gflops = roof;
    made.roof = roof_name;
    made.percent_of_roof = roof > 0 ? 100 * gflops / roof : 0;
    made.threads = roof > 0 ? 2 : 0;
    return made;
  };
  roofline.points = {point("naive", 14.2, 71, 45.3, 402.5, "FMA peak"),
                     point("flash", 231, 318, 10.1, 402.5, "FMA peak"),
                     point("flash float16", 308, 301, 10.7, 402.5, "FMA peak"),
                     point("decode", 0.5, 13.1, 0.24, 15.6, "memory reads"),
                     point("decode float16", 0.99, 21.4, 0.15, 30.9, "memory reads"),
                     point("linear q k v", 166, 361, 10.0, 402.5, "FMA peak"),
                     point("gl", 231, 21, 153, 0, "")};
  return roofline;
}

inline Growth made_up_growth(const SpeedShape& shape) {
  Growth growth;
  growth.shape = shape;
  growth.threads = 2;
  const auto series = [](const char* backend, double ms_at_1024, double exponent, double bytes_exponent, int most) {
    GrowthSeries made;
    made.backend = backend;
    for (int i = 0; i < most; ++i) {
      const std::int64_t n = 128 << i;
      const double x = static_cast<double>(n) / 1024, wobble = 1 + 0.05 * ((i * 7) % 3 - 1);
      made.points.push_back({.n = n,
                             .ms = ms_at_1024 * std::pow(x, exponent) * wobble,
                             .flops = 1.6e9 * x * x,
                             .bytes_moved = 1.5e7 * std::pow(x, bytes_exponent),
                             .bytes_allocated = 4e5 * std::pow(x, bytes_exponent)});
    }
    made.time = PowerFit{exponent, ms_at_1024, 4};
    made.bytes_moved = made.bytes_allocated = PowerFit{bytes_exponent, 1, 4};
    return made;
  };
  growth.series = {series("naive", 45, 2.07, 2.0, 5), series("flash", 8.4, 1.94, 1.0, 7), series("linear", 3.1, 1.02, 1.0, 7)};
  growth.series[0].note = "ends at 2,048 tokens: a call would take longer than 1 s.";
  growth.series[1].points.back().bytes_allocated = 0;  // nothing: a value that no logarithmic axis has
  return growth;
}

/// Figures as a machine might give them; made up, so that pictures and files of them come out the same each time.
inline SpeedReport made_up_report(const SpeedShape& shape) {
  SpeedReport report;
  report.machine = {
      .commit = "0a1b2c3", .compiler = "GCC 12.2.0", .cpu = "Some Processor, 2 processors", .simd = "AVX-512", .gpu = "llvmpipe"};
  report.shape = shape;
  report.cases = {made_up_row("flash", 10.1, 318, 2), made_up_row("naive", 45.3, 71, 2), made_up_row("gl", 153, 21, 0)};
  report.ladder = made_up_ladder(shape);
  report.roofline = made_up_roofline(shape);
  report.growth = made_up_growth(shape);
  DeviceComparison devices;
  devices.cpu = made_up_row("flash", 10.1, 318, 2);
  devices.gpu = made_up_row("gl", 153, 21, 2);  // a software renderer runs on the processor's threads
  devices.gpu_call_ms = 161;
  devices.gpu_name = "llvmpipe (LLVM 15.0.6, 256 bits)";
  devices.gpu_is_software = true;
  report.devices = devices;
  return report;
}

/// 12 heads of 64 over 1,024 tokens, causal.
inline SpeedShape made_up_shape() {
  SpeedShape shape;
  shape.config.n_heads = shape.config.n_kv_heads = 12;
  shape.config.d_head = 64;
  shape.config.seq_q = shape.config.seq_k = 1024;
  shape.d_model = 768;
  return shape;
}

inline SpeedState made_up_state(const SpeedShape& shape = made_up_shape()) {
  SpeedState state;
  state.report = std::make_shared<const SpeedReport>(made_up_report(shape));
  return state;
}

}  // namespace headroom
