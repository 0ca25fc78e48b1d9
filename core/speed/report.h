#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/speed/cases.h"
#include "core/speed/growth.h"
#include "core/speed/ladder.h"
#include "core/speed/measuring.h"
#include "core/speed/roofline.h"

namespace headroom {

/// The shape on the processor and on the GPU.
struct DeviceComparison {
  std::optional<SpeedRow> cpu, gpu;
  double gpu_call_ms = 0;  ///< with upload and read back, wall clock
  std::string gpu_name;
  bool gpu_is_software = false;  ///< a renderer on the same processor
  std::string reason;            ///< why there is no GPU figure; else empty
};
DeviceComparison compare_devices(const SpeedShape& shape, const SpeedTools& tools);

/// Parts that are measured, and measured again, one at a time.
enum class SpeedPart { kCases, kLadder, kRoofline, kGrowth, kDevices };

/// All that the Speed view shows. A part is unset until it has been measured.
struct SpeedReport {
  MachineFacts machine;
  SpeedShape shape;
  std::vector<SpeedRow> cases;  ///< this shape's own, on every backend
  std::optional<Ladder> ladder;
  std::optional<Roofline> roofline;
  std::optional<Growth> growth;
  std::optional<DeviceComparison> devices;
};

/// A copy of `report` with one part measured anew for `shape`; parts of another shape are dropped.
/// Errors  Error with one sentence; Cancelled.
SpeedReport measure_part(const SpeedReport& report, const SpeedShape& shape, SpeedPart part, const SpeedTools& tools);

/// Everything measured, a line a value: part,series,point,value,unit,machine columns; RFC 4180 with a header line.
std::string to_csv(const SpeedReport& report);
/// The rows alone: case,backend,threads,ms [ms],gflops [GFLOP/s],...
std::string to_csv(const std::vector<SpeedRow>& rows, const MachineFacts& machine);

}  // namespace headroom
