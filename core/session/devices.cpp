#include "core/session/devices.h"

#include <bit>
#include <chrono>

#include "core/cost/work.h"
#include "core/model/forward_steps.h"
#include "core/tensor/error.h"
#include "core/tensor/machine.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

/// Up to so much work (floating-point operations) a processor answers within a quarter of a screen's frame, and no GPU could be felt to be
/// faster. Counted, not timed: a busy moment must not open a graphics device for a short sentence.
constexpr double kSmallWork = 3e8;

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

std::string threads_text(int n) { return std::to_string(n) + (n == 1 ? " thread" : " threads"); }

const char* cpu_name(BackendChoice choice) {
  if (choice == BackendChoice::kReference) return "reference";
  return choice == BackendChoice::kNaive ? "naive" : "flash";
}

/// The device is well but lacks what the model needs.
class Unsupported : public Error {
 public:
  using Error::Error;
};

/// What the device says of the first layer that it cannot run; each layer has its own heads and masks.
Support supports_all(const AttentionLayer& device, const PassRequest& request) {
  const StackScores scores(decoder_of(request.params), request.mask);
  const auto seq = static_cast<std::int64_t>(request.ids.size());
  const std::optional<Rotary> rotary = rotary_of(request.params.config, seq);
  for (std::size_t i = 0; i < request.params.layers.size(); ++i) {
    const LayerParams& layer = request.params.layers[i];
    Support support = device.supports_layer(scores.config(i, seq), layer.attention(request.params.config.rms_norm_eps), rotary);
    if (!support.ok) return support;
  }
  return {};
}

double work_of(const PassRequest& request) {
  PassShape shape{.model = request.params.config, .n_heads = {}, .n_kv_heads = {}, .seq = {}, .mask = request.mask};
  for (const LayerParams& layer : request.params.layers) {
    shape.n_heads.push_back(std::ssize(layer.heads));
    shape.n_kv_heads.push_back(std::ssize(layer.kv_heads));
  }
  shape.seq = std::ssize(request.ids);
  double flops = 0;
  for (const StageWork& stage : pass_work(shape))
    flops += stage.flops;
  return flops;
}

/// Passes of one model at about one length take about the same time: lengths count by powers of two.
std::vector<std::int64_t> timing_key(const PassRequest& request) {
  const ModelShape& s = request.params.config.shape;
  return {s.n_layers,
          s.d_model,
          s.n_heads,
          s.n_kv_heads,
          s.d_ff,
          s.vocab_size,
          static_cast<std::int64_t>(std::bit_width(request.ids.size())),
          static_cast<std::int64_t>(request.mask.pattern.kind)};
}

}  // namespace

Devices::Devices(const EngineOptions& options, ComputerCounters& counters)
    : gpu_(options.gpu), counters_(counters), pool_(options.n_threads) {}

Devices::Layer& Devices::cpu_slot(BackendChoice choice) {
  Layer& slot = choice == BackendChoice::kReference ? reference_ : choice == BackendChoice::kNaive ? naive_ : flash_;
  if (!slot.layer) {
    slot.backend = choice == BackendChoice::kReference ? make_reference_backend()
                   : choice == BackendChoice::kNaive   ? make_naive_backend(pool_)
                                                       : make_flash_backend(pool_);
    slot.layer = make_cpu_attention_layer(pool_, *slot.backend);
  }
  return slot;
}

AttentionLayer& Devices::cpu_layer(BackendChoice choice) { return *cpu_slot(choice).layer; }
AttentionBackend& Devices::cpu_backend(BackendChoice choice) { return *cpu_slot(choice).backend; }

std::string Devices::cpu_text(BackendChoice choice) const {
  // The reference counts in plain double on one thread; its layer's projections are the same as everywhere.
  const std::string simd = choice == BackendChoice::kReference ? "double" : choice == BackendChoice::kNaive ? "Eigen" : simd_name();
  return std::string("CPU · ") + cpu_name(choice) + " · " + simd + " · " + threads_text(pool_.n_threads());
}

Devices::Timed Devices::run_on(AttentionLayer& layer, std::string text, const PassRequest& request, std::stop_token stop) {
  ++counters_.passes;
  ForwardOptions options;
  options.mask = request.mask;
  options.token_types = request.token_types;
  options.stop = stop;
  const auto start = std::chrono::steady_clock::now();
  auto trace = std::make_shared<const ForwardTrace>(forward(request.params, request.ids, layer, pool_, options));
  PassTiming timing{std::move(text), trace->times, ms_since(start)};
  return {std::move(trace), std::move(timing)};
}

Devices::Timed Devices::run_cpu(BackendChoice choice, const PassRequest& request, std::stop_token stop) {
  return run_on(cpu_layer(choice), cpu_text(choice), request, stop);
}

const GpuProvider::Facts& Devices::gpu_facts() {
  if (!facts_) {
    try {
      facts_ = gpu_.facts ? gpu_.facts() : GpuProvider::Facts{};
    } catch (const std::exception& error) {
      facts_ = GpuProvider::Facts{};
      facts_->reason = error.what();
    }
    if (!facts_->is_available && facts_->reason.empty()) facts_->reason = "there is no GPU backend here";
  }
  return *facts_;
}

AttentionLayer& Devices::open_gpu() {
  if (!gpu_failure_.empty()) throw Error(gpu_failure_);
  try {
    if (!gpu_layer_) {
      if (!gpu_.open) throw Error("there is no GPU backend here");
      gpu_layer_ = gpu_.open();
      if (!gpu_layer_) throw Error("the GPU could not be opened");
    }
  } catch (const std::exception& error) {
    gpu_failure_ = error.what();
    throw Error(gpu_failure_);
  }
  return *gpu_layer_;
}

std::string Devices::gpu_text() {
  return "GPU · " + std::string(open_gpu().name()) + (gpu_facts().name.empty() ? "" : " · " + gpu_facts().name);
}

void Devices::on_gpu(const PassRequest& request, const std::function<void(AttentionLayer&)>& work) {
  AttentionLayer& layer = open_gpu();
  const Support support = supports_all(layer, request);
  if (!support.ok) throw Unsupported(support.reason);
  try {
    work(layer);
  } catch (const Cancelled&) {
    throw;
  } catch (const std::exception& error) {
    // A device that failed in the middle may be lost altogether; it is not asked again.
    gpu_layer_.reset();
    gpu_failure_ = error.what();
    throw Error(gpu_failure_);
  }
}

Devices::Timed Devices::run_gpu(const PassRequest& request, std::stop_token stop) {
  Timed timed;
  on_gpu(request, [&](AttentionLayer& layer) { timed = run_on(layer, gpu_text(), request, stop); });
  return timed;
}

PassTiming Devices::time_gpu(const PassRequest& request, std::stop_token stop) {
  run_gpu(request, stop);  // compiles and uploads
  return run_gpu(request, stop).timing;
}

PassTiming Devices::time_cpu(const PassRequest& request, std::stop_token stop) {
  return run_cpu(BackendChoice::kFlash, request, stop).timing;
}

PassResult Devices::run_auto(const PassRequest& request, std::stop_token stop) {
  PassResult result;
  const auto on_cpu = [&](std::string reason) {
    if (!result.trace) {
      Timed timed = run_cpu(BackendChoice::kFlash, request, stop);
      result.trace = std::move(timed.trace);
      result.cpu = std::move(timed.timing);
    }
    result.reason = std::move(reason);
  };
  const std::vector<std::int64_t> key = timing_key(request);
  const auto known = gpu_is_faster_.find(key);
  if (known != gpu_is_faster_.end() && known->second) {
    try {
      Timed timed = run_gpu(request, stop);
      result.trace = std::move(timed.trace);
      result.gpu = std::move(timed.timing);
      result.ran_on_gpu = true;
      result.reason = "auto: " + gpu_facts().name + " measured faster than the CPU at this size.";
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& error) {
      gpu_is_faster_.erase(key);
      on_cpu(std::string("auto: the CPU, because the GPU failed: ") + error.what());
    }
    return result;
  }
  on_cpu("");
  if (work_of(request) < kSmallWork) {
    result.reason = "auto: the CPU; at this size it answers too fast for a GPU to be felt.";
    return result;
  }
  const GpuProvider::Facts& facts = gpu_facts();
  if (!facts.is_available) {
    result.reason = "auto: the CPU, because " + facts.reason;
  } else if (facts.is_software) {
    result.reason = "auto: the GPU here is " + facts.name + ", a software renderer; the CPU is faster.";
  } else if (known != gpu_is_faster_.end()) {
    result.reason = "auto: the CPU measured faster than " + facts.name + " at this size.";
  } else {
    try {
      result.gpu = time_gpu(request, stop);
      const bool is_faster = result.gpu->total_ms < result.cpu.total_ms;
      gpu_is_faster_[key] = is_faster;
      result.reason = is_faster ? "auto: " + facts.name + " measured faster at this size and runs the next pass."
                                : "auto: the CPU measured faster than " + facts.name + " at this size.";
    } catch (const Cancelled&) {
      throw;
    } catch (const Unsupported& error) {
      result.reason = std::string("auto: the CPU. ") + error.what() + ".";
    } catch (const Error& error) {
      result.gpu.reset();
      gpu_is_faster_[key] = false;
      result.reason = std::string("auto: the CPU, because the GPU failed: ") + error.what();
    }
  }
  return result;
}

PassResult Devices::run(const PassRequest& request, BackendChoice choice, std::stop_token stop) {
  if (choice == BackendChoice::kAuto) return run_auto(request, stop);
  PassResult result;
  BackendChoice cpu = choice;
  result.reason = std::string(cpu_name(choice)) + " was chosen.";
  if (choice == BackendChoice::kGl) {
    try {
      Timed timed = run_gpu(request, stop);
      result.trace = std::move(timed.trace);
      result.gpu = std::move(timed.timing);
      result.ran_on_gpu = true;
      result.reason = "gl was chosen.";
      return result;
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& error) {
      cpu = BackendChoice::kFlash;
      result.reason = std::string("gl was chosen, but the CPU computes: ") + error.what();
    }
  }
  Timed timed = run_cpu(cpu, request, stop);
  result.trace = std::move(timed.trace);
  result.cpu = std::move(timed.timing);
  return result;
}

}  // namespace headroom
