#include "core/tensor/work_count.h"

#include <gtest/gtest.h>

#include <array>

#include "core/tensor/matmul.h"
#include "core/tensor/tensor.h"

namespace headroom {
namespace {

TEST(WorkCount, LinearLayersTellTheirProductsAndBytes) {
  ThreadPool pool(2);
  Tensor x({3, 5}), w({7, 5}), out({3, 7}), half({2, 5}, FloatType::kFloat16), out_half({3, 2});
  WorkScope scope;
  linear(pool, x.matrix(), w.weights(), {}, out.matrix());
  EXPECT_EQ(scope.count(), (WorkCount{.linear_flops = 2 * 3 * 5 * 7, .weight_bytes = 5 * 7 * 4, .row_bytes = 3 * (5 + 7) * 4}));
  const std::array parts{LinearPart{w.weights(), {}, out.matrix()}, LinearPart{half.weights(), {}, out_half.matrix()}};
  WorkScope inner;
  linear(pool, x.matrix(), parts);
  // Both parts read x once; the second matrix has two bytes a number.
  const WorkCount both{
      .linear_flops = 2 * 3 * 5 * (7 + 2), .weight_bytes = 5 * 7 * 4 + 5 * 2 * 2, .row_bytes = 3 * (5 + 7 + 2) * 4};
  EXPECT_EQ(inner.count(), both);
  WorkCount sum{.linear_flops = 2 * 3 * 5 * 7, .weight_bytes = 5 * 7 * 4, .row_bytes = 3 * (5 + 7) * 4};
  sum += both;
  EXPECT_EQ(scope.count(), sum);
}

TEST(WorkCount, AScopeCountsWhileItLives) {
  WorkScope outer;
  {
    WorkScope inner;
    record_work({.kv_bytes = 3});
    EXPECT_EQ(inner.count().kv_bytes, 3);
  }
  record_work({.kv_bytes = 4, .score_bytes = 1});
  EXPECT_EQ(outer.count(), (WorkCount{.kv_bytes = 7, .score_bytes = 1}));
}

}  // namespace
}  // namespace headroom
