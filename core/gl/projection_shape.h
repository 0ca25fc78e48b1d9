#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/gl/context.h"
#include "core/gl/shader_source.h"

namespace headroom::gl {

/// One compilation of a projection kernel: the rows and columns of y that a thread computes, and how threads work together.
struct ProjectionShape {
  enum class Family {
    kStraight,  ///< projection.comp: a thread alone, texture fetches; for software renderers
    kTiled,     ///< projection_tiled.comp: a work group shares tiles in shared memory; for GPUs
  };
  Family family = Family::kStraight;
  int rows = 4, cols = 4;                ///< a thread; cols a multiple of 4
  int row_threads = 1, col_threads = 8;  ///< of a work group; tiled groups have eight along the columns

  /// "straight 12x12", "tiled 64x64 (8x8)": rows x columns of a work group (of a thread).
  std::string name() const;
  std::int64_t group_rows() const { return std::int64_t{rows} * row_threads; }
  std::int64_t group_cols() const { return std::int64_t{cols} * col_threads; }
  std::int64_t shared_bytes() const { return family == Family::kStraight ? 0 : (group_rows() + group_cols()) * 8 * 16; }
  std::vector<ShaderDefine> defines() const;
  const char* shader() const { return family == Family::kStraight ? "projection.comp" : "projection_tiled.comp"; }
  bool operator==(const ProjectionShape&) const = default;
};

/// Shapes that this device can run for y of this many rows, the one expected to be best first; never empty.
std::vector<ProjectionShape> projection_shapes(const DeviceFacts& facts, std::int64_t rows);
/// Those of both families that can run, whatever the device is. GpuOptions::projection_shape names one.
std::vector<ProjectionShape> all_projection_shapes(const DeviceFacts& facts);

}  // namespace headroom::gl
