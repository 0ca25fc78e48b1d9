#pragma once

#include <string>
#include <vector>

#include "core/speed/measuring.h"

namespace headroom {

/// A kernel in the roofline: work as the kernel counted it, rate as measured.
struct RooflinePoint {
  std::string kernel;    ///< "naive", "flash", "flash float16", "decode", "decode float16", "linear q k v", "gl"
  double flops = 0;      ///< of one call
  double bytes = 0;      ///< moved by one call
  double intensity = 0;  ///< FLOP/byte
  double gflops = 0;     ///< GFLOP/s
  double ms = 0;
  /// What this machine allows at this intensity, GFLOP/s: the FMA peak, or intensity times the reads of the smallest memory that holds
  /// all that the kernel works on, whichever is less; which of the two; and the share reached, percent. 0 for the GPU.
  double roof_gflops = 0;
  std::string roof;  ///< a RooflineRoof's name; empty for the GPU
  double percent_of_roof = 0;
  int threads = 1;  ///< 0: the GPU's own
};

struct RooflineRoof {
  std::string name;  ///< "FMA peak", "L2 reads", "L3 reads", "memory reads"
  double value = 0;
  std::string unit;        ///< "GFLOP/s" or "GB/s"
  double working_set = 0;  ///< bytes read over and over, all threads together; 0 for the FMA peak
};

/// Source  Williams, Waterman & Patterson 2009, doi:10.1145/1498765.1498785.
struct Roofline {
  SpeedShape shape;  ///< as measured
  std::vector<RooflineRoof> roofs;
  std::vector<RooflinePoint> points;
  int threads = 1;
  std::string note;
};

Roofline measure_roofline(const SpeedShape& shape, const SpeedTools& tools);

}  // namespace headroom
