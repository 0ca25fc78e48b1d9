#include "core/gl/tuner.h"

#include <algorithm>

#include "core/gl/stage_timer.h"
#include "core/tensor/error.h"

namespace headroom::gl {

Tuner::Tuner(const DeviceFacts& facts, const GpuOptions& options)
    : options_(options), device_(facts.renderer + " | " + facts.version) {}

std::size_t Tuner::choose(const std::string& problem, const std::vector<std::string>& candidates,
                          const std::function<std::optional<double>(std::size_t)>& time_ms) {
  if (candidates.size() == 1 || options_.tuning == Tuning::kByRule) return 0;
  if (!is_read_) {
    is_read_ = true;
    if (!options_.tuning_file.empty()) shapes_ = read_tuning(options_.tuning_file, device_);
  }
  if (const auto found = shapes_.find(problem); found != shapes_.end()) {
    const auto at = std::find(candidates.begin(), candidates.end(), found->second.shape);
    if (at != candidates.end()) return static_cast<std::size_t>(at - candidates.begin());
  }
  const Stopwatch watch;
  std::optional<std::size_t> best;
  double best_ms = 0;
  for (std::size_t i = 0; i < candidates.size() && !(best && watch.ms() > options_.tuning_ms); ++i) {
    const std::optional<double> ms = time_ms(i);
    if (!ms || (best && *ms >= best_ms)) continue;
    best = i;
    best_ms = *ms;
  }
  if (!best) throw Error("None of the GPU's kernels for " + problem + " computes right with this driver (" + device_ + ")");
  shapes_[problem] = {candidates[*best], best_ms};
  if (!options_.tuning_file.empty()) write_tuning(options_.tuning_file, device_, shapes_);
  return *best;
}

}  // namespace headroom::gl
