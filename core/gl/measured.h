#pragma once

#include <memory>

#include "core/attention/backend.h"
#include "core/gl/options.h"
#include "core/tensor/view.h"

namespace headroom::gl {

class OffscreenContext;

/// Time of the kernels of the last run of a backend made by make_backend, by GL timestamps: without upload and read back.
/// Units   ms. Edge  0 before the first run. Errors  Error for a backend of another kind.
double last_kernel_ms(const AttentionBackend& backend);

/// Products of the projections' kernel, alone and timed.
class TimedProduct {
 public:
  virtual ~TimedProduct() = default;
  /// out = x · weightᵀ. Shapes  x [n, d_in]; weight [d_out, d_in]; out [n, d_out]. What was uploaded last is kept on the device.
  /// Returns the kernel's time by GL timestamps, ms. Errors  ShapeError; Error when the device has no room or fails.
  virtual double multiply(ConstMatrixView x, ConstMatrixView weight, MatrixView out) = 0;
};
/// The context must outlive it and is made current by it.
std::unique_ptr<TimedProduct> make_timed_product(OffscreenContext& context, const GpuOptions& options = {});

/// Float32 multiply-adds in registers on every core of the device: what no kernel passes.
/// Units   GFLOP/s, a multiply-add counting two, the best of several dispatches of some milliseconds. Errors  Error when the device fails.
double measure_fma_gflops(OffscreenContext& context);

}  // namespace headroom::gl
