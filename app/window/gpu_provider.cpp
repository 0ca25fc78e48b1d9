#include "app/window/gpu_provider.h"

#include <memory>
#include <utility>

#include "app/window/xdg.h"
#include "core/gl/attention.h"
#include "core/gl/context.h"
#include "core/gl/measured.h"
#include "core/tensor/error.h"

namespace headroom {

namespace {

/// Kernels are chosen by timing them on the first problem of each class; what was found is kept in the user's cache.
gl::GpuOptions gpu_options() {
  gl::GpuOptions options;
  options.tuning = gl::Tuning::kMeasured;
  if (const std::filesystem::path cache = user_folders().cache; !cache.empty()) options.tuning_file = cache / "gpu_kernels.json";
  return options;
}

/// An attention layer together with the context that it needs; the layer goes first.
class GpuLayer : public AttentionLayer {
 public:
  explicit GpuLayer(std::unique_ptr<gl::OffscreenContext> context)
      : context_(std::move(context)), layer_(gl::make_attention_layer(*context_, gl::Kernel::kFused, gpu_options())) {}
  ~GpuLayer() override {
    context_->make_current();
    layer_.reset();
  }
  GpuLayer(const GpuLayer&) = delete;
  GpuLayer& operator=(const GpuLayer&) = delete;

  std::string_view name() const override { return layer_->name(); }
  Support supports(const AttentionConfig& config) const override { return layer_->supports(config); }
  Support supports_layer(const AttentionConfig& config, const AttentionLayerParams& params,
                         const std::optional<Rotary>& rotary) const override {
    return layer_->supports_layer(config, params, rotary);
  }
  AttentionLayerResult run(const AttentionConfig& config, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                           ConstMatrixView x, std::stop_token stop) override {
    return layer_->run(config, params, rotary, x, stop);
  }

 private:
  std::unique_ptr<gl::OffscreenContext> context_;
  std::unique_ptr<AttentionLayer> layer_;
};

/// What is measured, with the context that it needs; the context goes last.
struct MeasuredGpu {
  std::unique_ptr<gl::OffscreenContext> context = gl::OffscreenContext::open(gl::OffscreenContext::Need::kCompute43);
  std::unique_ptr<AttentionBackend> fused = gl::make_backend(*context, gl::Kernel::kFused, gpu_options()),
                                    naive = gl::make_backend(*context, gl::Kernel::kNaive);
  std::unique_ptr<gl::TimedProduct> product = gl::make_timed_product(*context, gpu_options());
};

GpuKernels open_kernels() {
  const auto gpu = std::make_shared<MeasuredGpu>();
  GpuKernels kernels;
  kernels.name = gpu->context->facts().renderer;
  kernels.is_software = gpu->context->facts().is_software;
  // Whoever holds one of them holds them all.
  kernels.fused = std::shared_ptr<AttentionBackend>(gpu, gpu->fused.get());
  kernels.naive = std::shared_ptr<AttentionBackend>(gpu, gpu->naive.get());
  kernels.kernel_ms = [](const AttentionBackend& backend) { return gl::last_kernel_ms(backend); };
  kernels.multiply_ms = [gpu](ConstMatrixView x, ConstMatrixView weight, MatrixView out) {
    return gpu->product->multiply(x, weight, out);
  };
  kernels.fma_gflops = [gpu] { return gl::measure_fma_gflops(*gpu->context); };
  return kernels;
}

}  // namespace

GpuProvider make_gpu_provider() {
  GpuProvider provider;
  provider.open = []() -> std::unique_ptr<AttentionLayer> {
    return std::make_unique<GpuLayer>(gl::OffscreenContext::open(gl::OffscreenContext::Need::kCompute43));
  };
  provider.open_kernels = open_kernels;
  provider.facts = [] {
    GpuProvider::Facts facts;
    try {
      const auto context = gl::OffscreenContext::open(gl::OffscreenContext::Need::kCompute43);
      facts.is_available = true;
      facts.is_software = context->facts().is_software;
      facts.name = context->facts().renderer;
    } catch (const Error& error) {
      facts.reason = error.what();
    }
    return facts;
  };
  return provider;
}

}  // namespace headroom
