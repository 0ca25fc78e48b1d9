#include "computer_fixture.h"

namespace headroom::testing {
namespace {

class FakeLayer : public AttentionLayer {
 public:
  explicit FakeLayer(FakeGpu& gpu) : gpu_(gpu) {}
  std::string_view name() const override { return "fake"; }
  Support supports(const AttentionConfig&) const override {
    ++gpu_.layers_asked;
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

std::filesystem::path small_assets() {
  static const std::filesystem::path folder = [] {
    const std::filesystem::path made =
        std::filesystem::path(::testing::TempDir()) / ("headroom_assets_" + std::to_string(getpid()));
    std::filesystem::remove_all(made);
    std::filesystem::create_directories(made / "text");
    std::filesystem::create_directory_symlink(assets() / "models", made / "models");
    std::filesystem::copy_file(assets() / "text" / "heldout-grammar.json", made / "text" / "heldout-grammar.json");
    std::ifstream in(assets() / "text" / "heldout-grammar.txt");
    std::ofstream out(made / "text" / "heldout-grammar.txt");
    std::string line;
    for (int i = 0; i < 8 && std::getline(in, line); ++i)
      out << line << '\n';
    std::atexit([] {
      std::error_code ignored;
      std::filesystem::remove_all(std::filesystem::path(::testing::TempDir()) / ("headroom_assets_" + std::to_string(getpid())),
                                  ignored);
    });
    return made;
  }();
  return folder;
}

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
