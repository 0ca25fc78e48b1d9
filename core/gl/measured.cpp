#include "core/gl/measured.h"

#include <epoxy/gl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/gl/context.h"
#include "core/gl/context_scope.h"
#include "core/gl/gl_error.h"
#include "core/gl/layer_kernels.h"
#include "core/gl/stage_timer.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

/// Rows padded with zeros to whole vec4s, and to whole groups of four rows.
std::vector<float> padded(ConstMatrixView matrix, std::int64_t rows) {
  const std::int64_t width = 4 * vec4s(matrix.cols);
  std::vector<float> values(static_cast<std::size_t>(rows * width), 0.0F);
  for (std::int64_t r = 0; r < matrix.rows; ++r)
    std::copy_n(matrix.row(r), matrix.cols, values.data() + r * width);
  return values;
}

class GlProduct final : public TimedProduct {
 public:
  GlProduct(OffscreenContext& context, const GpuOptions& options) : device_(context) {
    device_.enter();
    state_ = std::make_unique<State>(context.facts(), options);
  }
  ~GlProduct() override { device_.destroy(std::move(state_)); }

  double multiply(ConstMatrixView x, ConstMatrixView weight, MatrixView out) override {
    if (x.cols != weight.cols || out.rows != x.rows || out.cols != weight.rows) {
      throw ShapeError("a product of " + std::to_string(x.rows) + " x " + std::to_string(x.cols) + " and " +
                       std::to_string(weight.rows) + " x " + std::to_string(weight.cols) + " does not give " +
                       std::to_string(out.rows) + " x " + std::to_string(out.cols));
    }
    device_.enter();
    const std::int64_t cols4 = vec4s(weight.rows);
    state_->x.upload(std::span<const float>(padded(x, x.rows)), "x");
    state_->weight.upload(std::span<const float>(padded(weight, 4 * cols4)), "weights");
    state_->bias.upload(std::span<const float>(std::vector<float>(static_cast<std::size_t>(4 * cols4), 0.0F)), "bias");
    state_->y.reserve(static_cast<std::size_t>(x.rows * cols4) * 16, "y");
    StageTimer timer;
    timer.begin("product");
    state_->kernels.project({&state_->x, &state_->weight, &state_->bias, &state_->y, x.rows, vec4s(x.cols), cols4}, {});
    const double ms = timer.finish().front().ms;
    std::vector<float> rows(static_cast<std::size_t>(x.rows * cols4 * 4));
    state_->y.read(0, std::span<float>(rows));
    for (std::int64_t r = 0; r < out.rows; ++r)
      std::copy_n(rows.data() + r * cols4 * 4, out.cols, out.row(r));
    return ms;
  }

 private:
  struct State {
    State(const DeviceFacts& facts, const GpuOptions& options) : kernels(facts, options) {}
    LayerKernels kernels;
    Buffer x{Texel::kVec4}, weight{Texel::kVec4}, bias{Texel::kVec4}, y;
  };
  ContextScope device_;
  std::unique_ptr<State> state_;
};

}  // namespace

std::unique_ptr<TimedProduct> make_timed_product(OffscreenContext& context, const GpuOptions& options) {
  require_compute(context);
  return std::make_unique<GlProduct>(context, options);
}

double measure_fma_gflops(OffscreenContext& context) {
  constexpr int kLocalSize = 256, kGroups = 2048;
  constexpr double kFlopsPerRound = 8.0 * 4 * 2 * kLocalSize * kGroups;
  constexpr double kSampleMs = 5;
  constexpr int kMaxRounds = 1 << 20, kSamples = 5;
  require_compute(context);
  ContextScope device(context);
  device.enter();
  ProgramCache programs;
  Buffer sink;
  sink.reserve(sizeof(float), "a float");
  const auto sample_ms = [&](int rounds) {
    programs.get("fma_peak.comp", {{"LOCAL_SIZE", kLocalSize}}).use();
    sink.bind_storage(0);
    glUniform1i(0, rounds);
    glUniform1f(1, 0.999F);
    StageTimer timer;
    timer.begin("fma");
    glDispatchCompute(kGroups, 1, 1);
    const double ms = timer.finish().front().ms;
    check_gl("measuring the FMA peak");
    return ms;
  };
  int rounds = 16;
  sample_ms(rounds);  // compiles
  while (rounds < kMaxRounds && sample_ms(rounds) < kSampleMs)
    rounds *= 2;
  double best = 0;
  for (int i = 0; i < kSamples; ++i)
    best = std::max(best, 1e-6 * kFlopsPerRound * rounds / std::max(sample_ms(rounds), 1e-6));
  return best;
}

}  // namespace headroom::gl
