// Which h the slider offers, of models whose parameters let themselves be sliced and of those that do not.

#include "core/session/offered_heads.h"

#include <gmock/gmock.h>

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Shown {
  Compute compute;
  Snapshot snapshot;
  Shown() { snapshot.compute = compute; }
};

TEST(OfferedHeads, AreAllThatCanBeCut) {
  const Shown shown;
  EXPECT_THAT(offered_heads(shown.compute, nullptr).values, ElementsAre(1, 2, 4, 8, 16, 32, 64));
  EXPECT_EQ(offered_heads(shown.compute, &shown.snapshot).values, offered_heads(shown.compute, nullptr).values);
  EXPECT_EQ(offered_heads(shown.compute, &shown.snapshot).why, "");
}

TEST(OfferedHeads, AreTheTrainedOnesWhereEachHeadHasNormsOfItsOwnWidth) {
  Shown shown;
  shown.snapshot.config.has_qk_norm = true;
  const OfferedHeads offered = offered_heads(shown.compute, &shown.snapshot);
  EXPECT_THAT(offered.values, ElementsAre(8));
  EXPECT_THAT(offered.why, HasSubstr("norms q and k of each head, with gains for d_k = 16"));
}

TEST(OfferedHeads, IgnoreAnotherModelsSnapshot) {
  Shown shown;
  shown.snapshot.config.has_qk_norm = true;
  shown.compute.model = "another";
  EXPECT_EQ(offered_heads(shown.compute, &shown.snapshot).why, "");
  Shown lab;
  lab.snapshot.config.has_qk_norm = true;
  lab.compute.parameters = ParameterSource::kLab;
  EXPECT_EQ(offered_heads(lab.compute, &lab.snapshot).why, "") << "random parameters are drawn for any h";
}

}  // namespace
}  // namespace headroom
