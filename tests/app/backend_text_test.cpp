#include "app/window/backend_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headroom {
namespace {

using testing::ElementsAre;

TEST(RememberTiming, AddsEachPassOnce) {
  AppModel model;
  remember_timing(model);  // nothing was computed yet
  const auto pass = [&](double ms) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->cpu.total_ms = ms;
    model.snapshot = snapshot;
    remember_timing(model);
  };
  pass(1.25);
  pass(1.25);  // the same pass, another stack of it
  pass(0);     // not timed
  pass(1.5);
  pass(1.25);
  EXPECT_THAT(model.timing.cpu_ms, ElementsAre(1.25, 1.5, 1.25));
  for (int i = 0; i < 200; ++i)
    pass(i + 2);
  EXPECT_EQ(model.timing.cpu_ms.size(), kTimingRuns);
  EXPECT_EQ(model.timing.cpu_ms.back(), 201);
}

}  // namespace
}  // namespace headroom
