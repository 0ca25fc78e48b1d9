#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "core/gl/attention_kernels.h"
#include "core/gl/buffer.h"
#include "core/gl/context.h"
#include "core/gl/pacer.h"
#include "core/gl/program.h"
#include "core/gl/projection_shape.h"
#include "core/gl/tuner.h"

namespace headroom::gl {

/// y = x · weightᵀ + bias on the device; every width is padded with zeros to whole vec4s.
struct DeviceProjection {
  const Buffer* x = nullptr;       ///< [rows, 4 * d_in4]
  const Buffer* weight = nullptr;  ///< [4 * cols4, 4 * d_in4]
  const Buffer* bias = nullptr;    ///< [4 * cols4]
  const Buffer* y = nullptr;       ///< [rows, 4 * cols4]
  std::int64_t rows = 0, d_in4 = 0, cols4 = 0;
};

/// Rotation of heads that lie side by side from each row's start.
struct DeviceRotation {
  const Buffer* angles = nullptr;  ///< [rows, d_head / 2] of (cos, sin)
  const Buffer* rows_buffer = nullptr;
  std::int64_t rows = 0, n_heads = 0, d_head = 0, row4 = 0;
};

/// The kernels around attention. Long calls are cut into ranges of rows that fit a storage block and let a
/// request to stop be heard, see Pacer.
class LayerKernels {
 public:
  /// `facts` may be smaller than the device's, to see calls cut.
  explicit LayerKernels(const DeviceFacts& facts, const GpuOptions& options = {});

  /// Errors  Error when one group of rows exceeds the device's storage block; Cancelled.
  void project(const DeviceProjection& call, const std::stop_token& stop);
  void rotate(const DeviceRotation& call, const std::stop_token& stop);

 private:
  /// Rows that fit a storage block, a multiple of the step of offsets.
  std::int64_t most_rows(std::int64_t row4) const;
  ProjectionShape choose_shape(const DeviceProjection& call, const std::stop_token& stop);
  bool is_right(const ProjectionShape& shape);
  std::optional<double> time_shape(const ProjectionShape& shape, const DeviceProjection& call, const std::stop_token& stop);
  /// Rows [first, end) of y.
  void dispatch(const ProjectionShape& shape, const DeviceProjection& call, std::int64_t first, std::int64_t end);

  DeviceFacts facts_;
  GpuOptions options_;
  Pacer pacer_;
  Tuner tuner_;
  ProgramCache programs_;
  UniformBuffer uniforms_;
};

}  // namespace headroom::gl
