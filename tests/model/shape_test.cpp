#include "core/model/shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/tensor/error.h"

namespace headroom {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ModelShape gqa_shape() {
  ModelShape shape;
  shape.n_kv_heads = 2;
  return shape;
}

TEST(ValidHeads, AreTheDivisorsThatLeaveAnEvenHead) { EXPECT_THAT(valid_heads(ModelShape{}), ElementsAre(1, 2, 4, 8, 16, 32, 64)); }

TEST(ValidHeads, MustCutTheColumnsOfKAndVWhole) {
  // K and V are 32 wide: d_k = 64 and 128 do not fit, d_k = 1 is odd.
  EXPECT_THAT(valid_heads(gqa_shape()), ElementsAre(4, 8, 16, 32, 64));
}

TEST(ValidHeads, KeepHeadsBelowTheWidestThatAttentionTakes) {
  ModelShape shape;
  shape.n_heads = shape.n_kv_heads = 12;
  shape.d_head = 64;
  // 768 / h in {2, 4, 6, 8, 12, ...}; h = 1, 2 would make heads of 768 and 384.
  EXPECT_THAT(valid_heads(shape), ElementsAre(3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 384));
}

TEST(ValidHeads, AlwaysHoldTheTrainedNumber) {
  ModelShape shape;
  shape.n_heads = 3;
  shape.n_kv_heads = 1;
  shape.d_head = 5;
  EXPECT_THAT(valid_heads(shape), ElementsAre(3));
}

TEST(ValidKvHeads, DivideWhatSlicingLeaves) {
  EXPECT_THAT(valid_kv_heads(ModelShape{}, 8), ElementsAre(1, 2, 4, 8));
  EXPECT_THAT(valid_kv_heads(ModelShape{}, 2), ElementsAre(1, 2));
  EXPECT_THAT(valid_kv_heads(gqa_shape(), 8), ElementsAre(1, 2));
  EXPECT_THAT(valid_kv_heads(gqa_shape(), 32), ElementsAre(1, 2, 4, 8));
  EXPECT_THAT(valid_kv_heads(gqa_shape(), 4), ElementsAre(1));
  EXPECT_THAT(valid_kv_heads(gqa_shape(), 5), ElementsAre(1));
  EXPECT_THAT(valid_kv_heads(gqa_shape(), 0), ElementsAre(1));
}

TEST(ValidKvHeads, DivideEveryValidH) {
  for (const std::int64_t kv : {1, 2, 4, 8}) {
    ModelShape shape;
    shape.n_kv_heads = kv;
    for (const std::int64_t h : valid_heads(shape)) {
      for (const std::int64_t left : valid_kv_heads(shape, h))
        EXPECT_EQ(h % left, 0) << kv << " " << h << " " << left;
    }
  }
}

TEST(LabShapes, FollowFromDModel) {
  EXPECT_THAT(valid_lab_heads(8), ElementsAre(1, 2, 4));
  EXPECT_THAT(valid_lab_heads(24), ElementsAre(1, 2, 3, 4, 6, 12));
  EXPECT_THAT(valid_lab_kv_heads(12), ElementsAre(1, 2, 3, 4, 6, 12));
  const std::vector<std::int64_t> sizes = valid_lab_d_models();
  EXPECT_EQ(sizes.front(), 8);
  EXPECT_EQ(sizes.back(), 4096);
  for (const std::int64_t usual : {64, 128, 256, 512, 768, 896, 1024, 1536, 2048, 2560, 3072}) {
    EXPECT_THAT(sizes, testing::Contains(usual));
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_FALSE(valid_lab_heads(sizes[i]).empty()) << sizes[i];
    if (i > 0) {
      EXPECT_LT(sizes[i - 1], sizes[i]);
    }
  }
}

TEST(Snap, TakesTheNearestAndOnATieTheLower) {
  const std::vector<std::int64_t> valid{1, 2, 4, 8};
  EXPECT_EQ(snap(4, valid, "why").value, 4);
  EXPECT_THAT(snap(4, valid, "why").why, IsEmpty());
  EXPECT_EQ(snap(3, valid, "why").value, 2);
  EXPECT_EQ(snap(3, valid, "why").why, "why");
  EXPECT_EQ(snap(5, valid, "why").value, 4);
  EXPECT_EQ(snap(6, valid, "why").value, 4);
  EXPECT_EQ(snap(7, valid, "why").value, 8);
  EXPECT_EQ(snap(-3, valid, "why").value, 1);
  EXPECT_EQ(snap(std::numeric_limits<std::int64_t>::max(), valid, "why").value, 8);
  EXPECT_EQ(snap(std::numeric_limits<std::int64_t>::min(), valid, "why").value, 1);
  EXPECT_THROW(snap(1, {}, "why"), ShapeError);
}

TEST(Snap, SaysWhyWithTheNumbers) {
  EXPECT_EQ(snap_heads(ModelShape{}, 5).why,
            "h = 5 does not divide 128; d_k = 128 / h must be whole and even (rotary positions turn pairs)");
  EXPECT_THAT(snap_heads(ModelShape{}, 128).why, HasSubstr("makes d_k = 1 odd"));
  EXPECT_THAT(snap_heads(ModelShape{}, 0).why, HasSubstr("below 1"));
  EXPECT_EQ(snap_heads(gqa_shape(), 2).value, 4);
  EXPECT_THAT(snap_heads(gqa_shape(), 2).why, HasSubstr("does not divide the 32 columns of K and V"));
  EXPECT_EQ(snap_kv_heads(ModelShape{}, 8, 3).value, 2);
  EXPECT_THAT(snap_kv_heads(ModelShape{}, 8, 3).why, HasSubstr("kv_heads = 3 does not divide the 8 K/V heads"));
  EXPECT_THAT(snap_lab_heads(1024, 1).why, HasSubstr("d_k is at most 256"));
  EXPECT_EQ(snap_lab_kv_heads(12, 5).value, 4);
  EXPECT_EQ(snap_lab_d_model(100).value, 96);
  EXPECT_THAT(snap_lab_d_model(100).why, HasSubstr("multiple of 8"));
  EXPECT_THAT(snap_lab_d_model(128).why, IsEmpty());
}

}  // namespace
}  // namespace headroom
