#include "app/window/backend_text.h"

namespace headroom {
namespace {

void push(std::vector<double>& times, double ms) {
  if (!(ms > 0)) return;
  if (!times.empty() && times.back() == ms) return;  // the same run: another stack or part of it is looked at
  if (times.size() >= kTimingRuns) times.erase(times.begin());
  times.push_back(ms);
}

}  // namespace

void describe_backend(AppModel& model) {
  if (!model.snapshot) return;
  const Snapshot& snapshot = *model.snapshot;
  const bool is_gpu = snapshot.ran_on_gpu && snapshot.gpu.has_value();
  model.backend_text = is_gpu ? snapshot.gpu->backend : snapshot.cpu.backend;
  if (snapshot.compute.backend == BackendChoice::kGl && !is_gpu) model.backend_text = "not on the GPU · " + model.backend_text;
  model.backend_reason = snapshot.backend_reason;
}

void remember_timing(AppModel& model) {
  if (!model.snapshot) return;
  push(model.timing.cpu_ms, model.snapshot->cpu.total_ms);
  if (model.snapshot->gpu) push(model.timing.gpu_ms, model.snapshot->gpu->total_ms);
}

}  // namespace headroom
