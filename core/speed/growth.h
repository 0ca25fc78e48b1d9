#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/speed/measuring.h"

namespace headroom {

struct GrowthPoint {
  std::int64_t n = 0;  ///< tokens
  double ms = 0;
  double flops = 0, bytes_moved = 0, bytes_allocated = 0;  ///< counted by the kernel
};

/// y = factor · n^exponent, by least squares in log n and log y.
struct PowerFit {
  double exponent = 0, factor = 0;
  int n_points = 0;  ///< the largest ones, that the fit is over
};
/// Over the `n_points` largest x. Unset with fewer than two different x, or a y that is not positive.
std::optional<PowerFit> fit_power(const std::vector<double>& x, const std::vector<double>& y, int n_points);

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
