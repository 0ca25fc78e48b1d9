#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/model/long_pass.h"
#include "core/session/engine.h"
#include "core/session/pass_estimate.h"

namespace headroom {

/// What one forward pass needs beside a device.
struct PassRequest {
  const ModelParams& params;
  std::vector<std::int32_t> ids;
  Mask mask;
  std::vector<std::int32_t> token_types = {};  ///< as ForwardOptions
};

struct PassResult {
  std::shared_ptr<const ForwardTrace> trace;
  bool ran_on_gpu = false;
  PassTiming cpu;  ///< empty when the GPU ran alone
  std::optional<PassTiming> gpu;
  std::string reason;  ///< why this device
};

/// The processor's backends and the GPU's layer, opened when first needed, and the choice between them.
class Devices {
 public:
  Devices(const EngineOptions& options, ComputerCounters& counters);

  ThreadPool& pool() { return pool_; }
  /// kReference, kNaive or kFlash; any other gives flash.
  AttentionLayer& cpu_layer(BackendChoice choice);
  AttentionBackend& cpu_backend(BackendChoice choice);
  /// "CPU · flash · AVX-512 · 2 threads"
  std::string cpu_text(BackendChoice choice) const;

  /// Runs on the device that `choice` names. A GPU that cannot is no error: the processor runs, and `reason` says why.
  PassResult run(const PassRequest& request, BackendChoice choice, std::stop_token stop);
  /// Of a long text, on the processor whatever the choice: there is nothing for a GPU to be faster at.
  PassResult run_first_layer(const PassRequest& request, const LongPassOptions& options);
  /// Measures slices of a full pass over a long text whose first layer is at hand, on the devices that `choice` allows.
  LongPlan plan_long(const PassRequest& request, const ForwardTrace& first_layer, BackendChoice choice, std::stop_token stop);
  /// All layers of a long text, on the plan's device. A GPU that fails is no error: the processor runs, and `reason` says why.
  PassResult run_long(const PassRequest& request, const LongPlan& plan, const LongPassOptions& options);

  /// Errors  Error saying why there is no GPU pass.
  PassTiming time_gpu(const PassRequest& request, std::stop_token stop);
  PassTiming time_cpu(const PassRequest& request, std::stop_token stop);

 private:
  struct Layer {
    std::unique_ptr<AttentionBackend> backend;
    std::unique_ptr<AttentionLayer> layer;
  };
  struct Timed {
    std::shared_ptr<const ForwardTrace> trace;
    PassTiming timing;
  };
  Layer& cpu_slot(BackendChoice choice);
  /// Errors  Error.
  AttentionLayer& open_gpu();
  std::string gpu_text();
  /// Errors  Error; Cancelled. The device is not asked again after it failed.
  void on_gpu(const PassRequest& request, const std::function<void(AttentionLayer&)>& work);
  void measure_cpu(const PassRequest& request, const ForwardTrace& first_layer, LongPlan& plan, std::stop_token stop);
  /// Floating-point operations a second of the first attention layer over the text's first tokens. Errors  Error.
  struct GpuRate {
    double flops = 0;      ///< measured there
    double cpu_flops = 0;  ///< of the same work by the plan's rates
  };
  GpuRate measure_gpu(const PassRequest& request, const LongPlan& plan, std::stop_token stop);
  Timed run_on(AttentionLayer& layer, std::string text, const PassRequest& request, std::stop_token stop);
  Timed run_cpu(BackendChoice choice, const PassRequest& request, std::stop_token stop);
  /// Errors  Error.
  Timed run_gpu(const PassRequest& request, std::stop_token stop);
  PassResult run_auto(const PassRequest& request, std::stop_token stop);
  const GpuProvider::Facts& gpu_facts();

  GpuProvider gpu_;
  ComputerCounters& counters_;
  ThreadPool pool_;
  Layer reference_, naive_, flash_;
  std::unique_ptr<AttentionLayer> gpu_layer_;
  std::string gpu_failure_;  ///< why it could not be opened, or broke; it is not tried again
  std::optional<GpuProvider::Facts> facts_;
  /// Whether the GPU was faster, by model shape and length.
  std::map<std::vector<std::int64_t>, bool> gpu_is_faster_;
};

}  // namespace headroom
