#include "core/session/snapshot.h"

namespace headroom {

std::shared_ptr<const Snapshot> without_times(const std::shared_ptr<const Snapshot>& snapshot) {
  if (!snapshot) return snapshot;
  auto copy = std::make_shared<Snapshot>(*snapshot);
  copy->cpu.stages.clear();
  copy->cpu.total_ms = 0;
  copy->gpu.reset();
  copy->engine_ms = 0;
  return copy;
}

}  // namespace headroom
