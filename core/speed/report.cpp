#include "core/speed/report.h"

#include "core/speed/problem.h"
#include "core/speed/shapes.h"
#include "core/speed/turns.h"
#include "core/tensor/error.h"
#include "core/tensor/machine.h"

namespace headroom {
namespace {

constexpr int kWallCalls = 3;

/// Attention that naive would still finish soon: its scores are all computed, visible or not.
bool suits_naive(const AttentionConfig& config) {
  AttentionConfig full = config;
  full.mask = {};
  full.mask.direction = Direction::kBidirectional;
  const double scores = 4.0 * static_cast<double>(config.seq_q) * static_cast<double>(config.seq_k);
  return attention_flops(full) < 100e9 && scores < 1e9;
}

/// The whole call with upload and read back, as somebody who waits for it sees it.
double wall_ms(AttentionBackend& backend, const AttentionConfig& config, const SpeedTools& tools) {
  AttentionProblem problem(config);
  std::vector<double> times;
  for (int i = 0; i < kWallCalls; ++i) {
    const WorkClock clock(0);
    backend.run(config, problem.inputs(), problem.outputs(), tools.stop);
    times.push_back(1000 * clock.seconds());
  }
  return median(times);
}

std::vector<SpeedRow> measure_shape(const SpeedShape& shape, const SpeedTools& tools) {
  const SpeedCase c = make_speed_case(shape);
  CaseRequest request;
  if (!suits_naive(c.config)) request.left_out = {"naive"};
  return measure_case(c, request, tools);
}

}  // namespace

DeviceComparison compare_devices(const SpeedShape& shape, const SpeedTools& tools) {
  const SpeedCase c = make_speed_case(shape);
  DeviceComparison comparison;
  report_progress(tools, "CPU", 0);
  comparison.cpu = measure_case(c, {.backends = {"flash"}}, tools).front();
  report_progress(tools, "GPU", 0.3);
  if (!tools.open_gpu) {
    comparison.reason = "There is no GPU backend here.";
    return comparison;
  }
  try {
    const GpuKernels gpu = tools.open_gpu();
    comparison.gpu_name = gpu.name;
    comparison.gpu_is_software = gpu.is_software;
    SpeedTools same_device{.pool = tools.pool, .budget = tools.budget, .open_gpu = [&gpu] { return gpu; }, .stop = tools.stop};
    comparison.gpu = measure_case(c, {.backends = {"gl"}}, same_device).front();
    comparison.gpu_call_ms = wall_ms(*gpu.fused, c.config, tools);
  } catch (const Cancelled&) {
    throw;
  } catch (const Error& error) {
    comparison.gpu.reset();
    comparison.reason = error.what();
  }
  return comparison;
}

SpeedReport measure_part(const SpeedReport& report, const SpeedShape& shape, SpeedPart part, const SpeedTools& tools) {
  SpeedReport next = report.shape == shape ? report : SpeedReport{.shape = shape};
  const std::string gpu = next.machine.gpu;
  next.machine = machine_facts();
  next.machine.gpu = gpu;
  switch (part) {
    case SpeedPart::kCases:
      next.cases = measure_shape(shape, tools);
      break;
    case SpeedPart::kLadder:
      next.ladder = measure_ladder(shape, tools);
      break;
    case SpeedPart::kRoofline:
      next.roofline = measure_roofline(shape, tools);
      break;
    case SpeedPart::kGrowth:
      next.growth = measure_growth(shape, {}, tools);
      break;
    case SpeedPart::kDevices:
      next.devices = compare_devices(shape, tools);
      next.machine.gpu = next.devices->gpu_name.empty() ? next.devices->reason : next.devices->gpu_name;
      break;
  }
  return next;
}

}  // namespace headroom
