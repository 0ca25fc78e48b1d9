#include "core/gl/measured.h"

#include "core/gl/attention.h"
#include "core/tensor/aligned_buffer.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

class Measured : public GlTest {};

TEST_F(Measured, ProductsOfAnySizeAreRightAndTakeTime) {
  struct Size {
    std::int64_t rows, depth, width;
  };
  const auto product = make_timed_product(context());
  for (const Size& size : {Size{1, 1, 1}, Size{7, 33, 20}, Size{70, 48, 130}}) {
    const auto x = random_values(static_cast<std::size_t>(size.rows * size.depth), 1);
    const auto weight = random_values(static_cast<std::size_t>(size.width * size.depth), 2);
    std::vector<float> out(static_cast<std::size_t>(size.rows * size.width), -7.0F);
    const double ms =
        product->multiply({x.data(), size.rows, size.depth, size.depth}, {weight.data(), size.width, size.depth, size.depth},
                          {out.data(), size.rows, size.width, size.width});
    EXPECT_GT(ms, 0);
    for (std::int64_t i = 0; i < size.rows; ++i) {
      for (std::int64_t j = 0; j < size.width; ++j) {
        double sum = 0;
        for (std::int64_t c = 0; c < size.depth; ++c)
          sum += double{x[static_cast<std::size_t>(i * size.depth + c)]} *
                 double{weight[static_cast<std::size_t>(j * size.depth + c)]};
        EXPECT_NEAR(out[static_cast<std::size_t>(i * size.width + j)], sum, 1e-4) << i << ", " << j;
      }
    }
  }
  std::vector<float> values(64);
  EXPECT_THROW(product->multiply({values.data(), 2, 3, 3}, {values.data(), 2, 4, 4}, {values.data(), 2, 2, 2}), ShapeError);
}

TEST_F(Measured, KernelsAreTimedWithoutUploadAndReadBack) {
  AttentionConfig config;
  config.n_heads = config.n_kv_heads = 2;
  config.d_head = 16;
  config.seq_q = config.seq_k = 40;
  const auto values = random_values(static_cast<std::size_t>(40 * 2 * 16), 3);
  std::vector<float> out(values.size()), logsumexp(80);
  const ConstHeadsView view = ConstHeadsView::interleaved(values.data(), 1, 2, 40, 16);
  for (const Kernel kernel : {Kernel::kFused, Kernel::kNaive}) {
    const auto backend = make_backend(context(), kernel);
    EXPECT_EQ(last_kernel_ms(*backend), 0);
    backend->run(config, {view, view, view}, {HeadsView::interleaved(out.data(), 1, 2, 40, 16), logsumexp, {}});
    EXPECT_GT(last_kernel_ms(*backend), 0);
  }
  EXPECT_THROW(last_kernel_ms(*make_reference_backend()), Error);
}

TEST_F(Measured, TheFmaPeakIsPositive) {
  const double gflops = measure_fma_gflops(context());
  EXPECT_GT(gflops, 0.1);
  EXPECT_LT(gflops, 1e6);
}

}  // namespace
}  // namespace headroom::gl
