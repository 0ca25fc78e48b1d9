#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/speed/measuring.h"
#include "core/tensor/power_fit.h"

namespace headroom {

struct GrowthPoint {
  std::int64_t n = 0;  ///< tokens
  double ms = 0;
  double flops = 0, bytes_moved = 0, bytes_allocated = 0;  ///< counted by the kernel
};

struct GrowthSeries {
  std::string backend;  ///< "naive", "flash", and "linear" (another function) where the mask allows it
  std::vector<GrowthPoint> points;
  std::optional<PowerFit> time, bytes_moved, bytes_allocated;
  std::string note;  ///< why it ends before the others; else empty
};

/// Time and memory over the number of tokens.
struct Growth {
  SpeedShape shape;  ///< whose heads and mask; the lengths are the points' own
  std::vector<GrowthSeries> series;
  int threads = 1;
};

struct GrowthRequest {
  std::vector<std::int64_t> lengths = {128, 256, 512, 1024, 2048, 4096, 8192};
  double longest_call = 1;                   ///< s: a series ends before a call expected to take longer
  double most_bytes = 1024.0 * 1024 * 1024;  ///< that a call may allocate
};

Growth measure_growth(const SpeedShape& shape, const GrowthRequest& request, const SpeedTools& tools);

}  // namespace headroom
