#include <algorithm>

#include "core/gl/attention.h"
#include "core/gl/attention_kernels.h"
#include "core/gl/context.h"
#include "core/gl/context_scope.h"
#include "core/gl/measured.h"
#include "core/gl/packed_heads.h"
#include "core/gl/stage_timer.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

class GlBackend final : public AttentionBackend {
 public:
  GlBackend(OffscreenContext& context, Kernel kernel, const GpuOptions& options) : kernel_(kernel), device_(context) {
    device_.enter();
    state_ = std::make_unique<State>(context.facts(), kernel, options);
  }
  ~GlBackend() override { device_.destroy(std::move(state_)); }

  std::string_view name() const override { return kernel_ == Kernel::kFused ? "gl" : "gl naive"; }
  bool materialises_probs() const override { return kernel_ == Kernel::kNaive; }
  Support supports(const AttentionConfig& config) const override { return state_->kernels.supports(config); }

  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    check_arguments(config, inputs, outputs);
    if (const Support support = supports(config); !support.ok) throw Error(support.reason);
    if (!outputs.probs.empty() && !materialises_probs()) throw Error("the fused kernel keeps no probabilities");
    device_.enter();
    const DeviceAttention tensors = state_->packed.upload(config, inputs);
    if (!config.pruned.empty()) std::fill(outputs.probs.begin(), outputs.probs.end(), 0.0F);
    StageTimer timer;
    timer.begin("attention");
    state_->kernels.run(config, tensors, {outputs.probs, outputs.work}, stop);
    kernel_ms_ = timer.finish().front().ms;
    state_->packed.logsumexp.read(0, outputs.logsumexp);
    state_->packed.read_out(config, outputs.out);
  }

  double kernel_ms() const { return kernel_ms_; }

 private:
  struct State {
    State(const DeviceFacts& facts, Kernel kernel, const GpuOptions& options) : kernels(facts, kernel, options) {}
    AttentionKernels kernels;
    PackedHeads packed;
  };

  Kernel kernel_;
  ContextScope device_;
  std::unique_ptr<State> state_;
  double kernel_ms_ = 0;  ///< of the last run
};

}  // namespace

std::unique_ptr<AttentionBackend> make_backend(OffscreenContext& context, Kernel kernel, const GpuOptions& options) {
  require_compute(context);
  return std::make_unique<GlBackend>(context, kernel, options);
}

double last_kernel_ms(const AttentionBackend& backend) {
  const auto* gl_backend = dynamic_cast<const GlBackend*>(&backend);
  if (gl_backend == nullptr) throw Error("the backend \"" + std::string(backend.name()) + "\" is none of OpenGL's");
  return gl_backend->kernel_ms();
}

}  // namespace headroom::gl
