#include "computer_fixture.h"

namespace headroom::testing {
namespace {

class FakeLayer : public AttentionLayer {
 public:
  explicit FakeLayer(FakeGpu& gpu) : gpu_(gpu) {}
  std::string_view name() const override { return "fake"; }
  Support supports(const AttentionConfig&) const override {
    if (gpu_.is_unsupported) return {false, "the fake GPU has no such kernel"};
    return {};
  }
  AttentionLayerResult run(const AttentionConfig& config, const AttentionLayerParams& params, const std::optional<Rotary>& rotary,
                           ConstMatrixView x, std::stop_token stop) override {
    ++gpu_.runs;
    if (gpu_.fails_to_run) throw Error("the fake GPU was lost");
    return layer_->run(config, params, rotary, x, stop);
  }

 private:
  FakeGpu& gpu_;
  ThreadPool pool_{1};
  std::unique_ptr<AttentionBackend> backend_ = make_flash_backend(pool_);
  std::unique_ptr<AttentionLayer> layer_ = make_cpu_attention_layer(pool_, *backend_);
};

}  // namespace

GpuProvider FakeGpu::provider() {
  GpuProvider provider;
  provider.open = [this]() -> std::unique_ptr<AttentionLayer> {
    ++opened;
    if (fails_to_open) throw Error("no OpenGL 4.3 here");
    return std::make_unique<FakeLayer>(*this);
  };
  provider.facts = [this] {
    ++asked;
    GpuProvider::Facts facts;
    facts.is_available = is_available;
    facts.is_software = is_software;
    facts.name = is_software ? "llvmpipe" : "Fake 3000";
    if (!is_available) facts.reason = "no OpenGL 4.3 here";
    return facts;
  };
  return provider;
}

}  // namespace headroom::testing
