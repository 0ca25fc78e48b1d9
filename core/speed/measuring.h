#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/attention/backend.h"
#include "core/tensor/parallel.h"
#include "core/tensor/view.h"

namespace headroom {

/// How long one thing may be measured. Every figure is the median of rounds in which it took turns with the limit it is held against.
struct SpeedBudget {
  double seconds = 0.3;  ///< for each thing measured, all its rounds together, its limit not counted; > 0
  int rounds = 7;        ///< at most; fewer (at least one) where a single run takes longer than its share
};

/// A GPU's kernels, opened for measuring. Destroyed before whatever they run on.
struct GpuKernels {
  std::string name;          ///< "llvmpipe (LLVM 15.0.6, 256 bits)"
  bool is_software = false;  ///< then the processor's FMA peak over all threads is its limit
  std::shared_ptr<AttentionBackend> fused, naive;
  /// out = x · weightᵀ; returns the kernel's own time, ms. Empty: products are not measured on this device.
  std::function<double(ConstMatrixView x, ConstMatrixView weight, MatrixView out)> multiply_ms;
  /// Time of a backend's last run by the device's own timestamps, ms. Empty: the whole call is timed, upload and read back included.
  std::function<double(const AttentionBackend& backend)> kernel_ms;
  /// The device's own FMA peak, GFLOP/s, measured now. Empty: no limit is stated beside its figures (unless it is software).
  std::function<double()> fma_gflops;
};

/// What every measuring function works with. All of them measure on the calling thread (and the pool's) and return plain values.
struct SpeedTools {
  ThreadPool& pool;
  SpeedBudget budget = {};
  /// Opens the GPU; called when first needed. Errors  Error saying why there is none. Empty: no GPU is measured.
  std::function<GpuKernels()> open_gpu = {};
  std::stop_token stop = {};
  /// What is measured now, and the share done in [0, 1].
  std::function<void(const std::string& stage, double share)> progress = {};
};

/// A shape to measure: one attention layer. d_model is the width that the projections read.
struct SpeedShape {
  AttentionConfig config;
  std::int64_t d_model = 0;  ///< 0: n_heads * d_head
  bool operator==(const SpeedShape& other) const;
};

/// "12 heads of 64 over 4, 1,024 tokens, causal"
std::string speed_shape_text(const SpeedShape& shape);

/// The machine and the build that figures belong to.
struct MachineFacts {
  std::string commit;    ///< short hash of the sources, "unknown" outside a checkout, with "+" where files were changed
  std::string compiler;  ///< "GCC 12.2.0"
  std::string cpu;       ///< "AMD EPYC, 2 processors"
  std::string simd;      ///< "AVX-512"
  std::string gpu;       ///< name of the device, or why none was measured
};
/// Said once at the start by the program, which is built anew with each commit; until then the commit is "unknown".
void set_source_commit(std::string commit);
/// gpu is left empty: who opens the device fills it in.
MachineFacts machine_facts();

/// Middle value; of an even number the mean of the two in the middle. Errors  Error when there is none.
double median(std::vector<double> values);

}  // namespace headroom
