#include "core/cost/work.h"

#include <map>

namespace headroom {
namespace {

std::map<std::string, double> work_of(const PassShape& shape) {
  std::map<std::string, double> flops;
  for (const StageWork& work : pass_work(shape))
    flops[work.stage] = work.flops;
  return flops;
}

PassShape small_shape() {
  PassShape shape;
  shape.model.shape = {
      .n_layers = 2, .d_model = 8, .n_heads = 2, .n_kv_heads = 1, .d_head = 4, .d_ff = 10, .vocab_size = 7, .max_positions = 16};
  shape.n_heads = {2, 1};
  shape.n_kv_heads = {1, 1};
  shape.seq = 3;
  return shape;
}

// Written out by hand for 3 tokens, layers with 2 and 1 heads left over one K/V head each.
TEST(PassWork, CountsEveryStageOfASmallPass) {
  const auto flops = work_of(small_shape());
  EXPECT_EQ(flops.at("q k v"), 2.0 * 3 * 8 * (8 + 4 + 4) + 2.0 * 3 * 8 * (4 + 4 + 4));
  EXPECT_EQ(flops.at("rotary"), 3.0 * 3 * (8 + 4) + 3.0 * 3 * (4 + 4));
  EXPECT_EQ(flops.at("attention"), 4.0 * 4 * 6 * 2 + 4.0 * 4 * 6 * 1);  // causal: 1 + 2 + 3 pairs
  EXPECT_EQ(flops.at("W_O"), 2.0 * 3 * 8 * 8 + 2.0 * 3 * 4 * 8);
  EXPECT_EQ(flops.at("MLP"), 2 * (3 * 2.0 * 3 * 8 * 10));
  EXPECT_EQ(flops.at("logits"), 2.0 * 3 * 8 * 7);
  EXPECT_EQ(flops.at("norm"), 4.0 * 3 * 8 * 5);
}

TEST(PassWork, CountsNormsTurnsAndWindowsOfOtherForms) {
  PassShape shape = small_shape();
  shape.model.norm_place = NormPlace::kAround;
  shape.model.has_qk_norm = true;
  shape.model.rotary_share = 0.5;
  shape.model.windows = {2, 0};
  const auto flops = work_of(shape);
  EXPECT_EQ(flops.at("norm"), 4.0 * 3 * 8 * 9 + 4.0 * 3 * 4 * (2 + 1 + 1 + 1))
      << "four a block and one at the end; each head's q and k";
  EXPECT_EQ(flops.at("rotary"), 3.0 * 3 * 2 * (3 + 2));
  EXPECT_EQ(flops.at("attention"), 4.0 * 4 * 5 * 2 + 4.0 * 4 * 6 * 1) << "a window of 2: 1 + 2 + 2 pairs";
  shape.mask.pattern.kind = PatternKind::kLocalWindow;
  shape.mask.pattern.window = 1;
  EXPECT_EQ(work_of(shape).at("attention"), 4.0 * 4 * 3 * 3) << "a pattern takes the place of the model's windows";
}

TEST(PassWork, AttentionCountsOnlyPairsThatTheMaskKeeps) {
  PassShape shape = small_shape();
  shape.mask.direction = Direction::kBidirectional;
  EXPECT_EQ(work_of(shape).at("attention"), 4.0 * 4 * 9 * 3);
  shape.mask.pattern.kind = PatternKind::kLocalWindow;
  shape.mask.pattern.window = 1;
  EXPECT_EQ(work_of(shape).at("attention"), 4.0 * 4 * 3 * 3);
}

}  // namespace
}  // namespace headroom
