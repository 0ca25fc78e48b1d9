#include "core/session/not_finite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace headroom {
namespace {

ForwardTrace trace_of_two_layers() {
  ForwardTrace trace;
  trace.layers.resize(2);
  for (LayerTrace& layer : trace.layers) {
    layer.d_head = 3;
    layer.heads = {0, 2};  // head 1 was pruned
    layer.attention.q = Tensor({4, 6});
    layer.attention.k = Tensor({4, 3});
    layer.attention.v = Tensor({4, 3});
  }
  return trace;
}

TEST(NotFiniteNotice, SaysTheFirstPlace) {
  ForwardTrace trace = trace_of_two_layers();
  trace.layers[1].attention.q.row(2)[4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(not_finite_notice(trace),
              testing::HasSubstr("layer 1, q of head 2 is NaN at row 2, coordinate 1 (all counted from 0)."));
  trace.layers[0].attention.v.row(3)[0] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(not_finite_notice(trace), testing::HasSubstr("layer 0, v of head 0 is infinite at row 3, coordinate 0"));
}

TEST(NotFiniteNotice, SaysWhenAttentionsInputsAreFinite) {
  EXPECT_THAT(not_finite_notice(trace_of_two_layers()), testing::HasSubstr("Queries, keys and values are finite"));
  EXPECT_THAT(not_finite_notice({}), testing::EndsWith("cells without a value look masked."));
}

}  // namespace
}  // namespace headroom
