// The Cost stage in the program: planned when it is looked at, this machine measured on demand; exported; its pictures against golden ones.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "app/commands/cost_now.h"
#include "app/painters/fonts.h"
#include "app/views/commands.h"
#include "app/widgets/input.h"
#include "app/window/export.h"
#include "app/window/frame_stats.h"
#include "app/window/program.h"
#include "core/gl/context.h"
#include "core/session/reduce.h"
#include "core/tensor/error.h"
#include "tests/app/picture.h"
#include "tests/app/program_harness.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kAssets = HEADROOM_SOURCE_DIR "/assets";

Session llama() {
  Session session;
  session.view.stage = StageView::kCost;
  session.cost.card = "card:llama-3-8b";
  session.cost.context = 8192;
  session.cost.batch = 8;
  session.cost.page_rows = 16;
  return session;
}

Session two_plans() {
  Session session = llama();
  session.cost.page_rows = 0;
  session.cost.context = 4096;
  session.beside = session.cost;
  session.beside.page_rows = 16;
  session.beside.kv = KvType::kInt8;
  session.view.cost_beside = CostBeside::kPlan;
  return session;
}

struct Harness : test::ProgramHarness {
  Harness() : ProgramHarness(std::chrono::seconds(40)) {}
};

TEST(CostStage, PlansWhatIsLookedAtAndFollowsTheSession) {
  Harness harness;
  harness.act(CostPlanSet{llama().cost, {}});
  EXPECT_EQ(harness.model().costs.plan, nullptr) << "nothing is planned before";
  harness.act(StageViewSet{StageView::kCost});
  ASSERT_TRUE(harness.until([&] { return harness.model().costs.plan != nullptr; }));
  EXPECT_EQ(harness.model().costs.plan->cost.card_name, "LLaMA 3 8B");
  // Many changes in a row: the last one is what is shown in the end.
  CostPlan plan = llama().cost;
  for (plan.batch = 1; plan.batch < 40; ++plan.batch)
    harness.act(CostPlanSet{plan, {}});
  ASSERT_TRUE(harness.until([&] { return harness.model().costs.plan->cost.plan.batch == 39; }));
  harness.act(CostBesideSet{CostBeside::kPlan});
  ASSERT_TRUE(harness.until([&] { return harness.model().costs.beside != nullptr; }));
  harness.act(CostBesideSet{CostBeside::kNone});
  EXPECT_TRUE(harness.until([&] { return harness.model().costs.beside == nullptr; }));
}

TEST(CostStage, MeasuresThisMachineWhenAsked) {
  Harness harness;
  CostPlan plan;
  plan.device = kThisMachine;
  harness.act(CostPlanSet{plan, {}});
  harness.act(StageViewSet{StageView::kCost});
  ASSERT_TRUE(harness.until([&] { return harness.model().costs.plan != nullptr; }));
  EXPECT_THAT(harness.model().costs.plan->cost.problem, HasSubstr("not measured yet"));
  harness.command(MeasureThisMachine{});
  EXPECT_TRUE(harness.model().costs.is_measuring);
  ASSERT_TRUE(harness.until([&] { return harness.model().costs.plan->cost.problem.empty(); }));
  EXPECT_FALSE(harness.model().costs.is_measuring);
  EXPECT_EQ(harness.model().costs.plan->cost.device.basis, Basis::kMeasured);
  EXPECT_GT(harness.model().costs.plan->cost.device.bandwidth, 1e8);
}

TEST(CostStage, HasAKey) { EXPECT_STREQ(chord_text(find_command("view/cost")->keys), "8"); }

TEST(CostCommand, ExportsPicturesAndNumbers) {
  const TemporaryFolder folder;
  const auto exported = [&](std::vector<std::string> options) {
    options.insert(options.begin(), "export");
    return run_program(options);
  };
  const Finished one =
      exported({"--view", "cost", "--card", "llama-3-8b", "--set", "cost.batch=4", "--out", (folder / "a.svg").string()});
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_THAT(file_bytes(folder / "a.svg"), HasSubstr("<svg"));
  const Finished two =
      exported({"--view", "cost", "--card", "llama-3-8b", "--beside", "llama-2-7b", "--out", (folder / "b.csv").string()});
  EXPECT_EQ(two.status, 0) << two.err;
  const std::string csv = file_bytes(folder / "b.csv");
  EXPECT_THAT(csv, HasSubstr("first,LLaMA 3 8B"));
  EXPECT_THAT(csv, HasSubstr("second,LLaMA 2 7B"));
  EXPECT_EQ(exported({"--view", "cost-arithmetic", "--card", "gpt2", "--out", (folder / "c.pdf").string()}).status, 0);
  const Finished unknown = exported({"--view", "cost", "--set", "cost.device=abacus", "--out", (folder / "d.png").string()});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("There is no device named \"abacus\""));
  EXPECT_FALSE(fs::exists(folder / "d.png"));
}

AppModel planned_model(const Session& session) {
  EngineOptions options;
  options.assets = kAssets;
  options.n_threads = 2;
  Computer computer(options);
  AppModel model = export_model(session, without_times(computer.compute(session.compute, 1)));
  model.backend_text = "CPU · flash";
  model.costs = costs_now(session, kAssets);
  return model;
}

/// Why no window can be drawn off screen; empty where it can. Whether golden pictures are this driver's is another question.
std::string why_no_window() {
  try {
    gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct PictureCase {
  std::string name, view;
  Session (*session)();
  ThemeName theme = ThemeName::kDark;
  Size size{1280, 720};
};

class CostPictures : public testing::TestWithParam<PictureCase> {};

TEST_P(CostPictures, LookAsTheyShould) {
  const PictureCase& c = GetParam();
  if (font_files().sans.string().find("Inter") == std::string::npos) GTEST_SKIP() << "the font Inter is not installed";
  if (font_files().mono.string().find("JetBrains") == std::string::npos) GTEST_SKIP() << "the font JetBrains Mono is not installed";
  if (c.view == "window") {
    if (const std::string why = why_no_window(); !why.empty()) {
      if (std::getenv("HEADROOM_REQUIRE_GL") != nullptr) FAIL() << why;
      GTEST_SKIP() << why;
    }
    const auto facts = gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33)->facts();
    if (facts.renderer.find("llvmpipe") == std::string::npos || facts.version.find("Mesa 22.3") == std::string::npos)
      GTEST_SKIP() << "the golden pictures are not " << facts.renderer << "'s, " << facts.version;
  }
  ExportRequest request;
  request.view = c.view;
  request.size = c.size;
  request.theme = c.theme;
  EXPECT_EQ(check_against_golden(image_of(export_view(planned_model(c.session()), request)), c.name), "");
}

INSTANTIATE_TEST_SUITE_P(All, CostPictures,
                         testing::Values(PictureCase{"cost-dark", "cost", llama, ThemeName::kDark, {1320, 790}},
                                         PictureCase{"cost-two-light", "cost", two_plans, ThemeName::kLight, {1060, 640}},
                                         PictureCase{"window-cost", "window", two_plans}),
                         [](const auto& test_info) {
                           std::string name = test_info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(CostFrame, StaysWithinItsDrawCalls) {
  if (const std::string why = why_no_window(); !why.empty()) GTEST_SKIP() << why;
  const std::vector<FrameStats> frames = measure_frames(planned_model(two_plans()), {1600, 900}, 1, 4);
  EXPECT_LE(frames.back().draw_calls, 30);
  EXPECT_LE(frames.back().vertices, 60000);
}

}  // namespace
}  // namespace headroom
