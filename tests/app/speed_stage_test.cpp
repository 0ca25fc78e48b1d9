// The Speed stage in the program: measured on demand, kept, exported; its pictures against golden ones from made-up figures.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "app/painters/fonts.h"
#include "app/window/export.h"
#include "app/window/frame_stats.h"
#include "app/window/program.h"
#include "app/window/window.h"
#include "core/gl/context.h"
#include "core/session/reduce.h"
#include "core/tensor/error.h"
#include "tests/app/picture.h"
#include "tests/app/program_harness.h"
#include "tests/app/run_program.h"
#include "tests/figure/speed_fixture.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

const fs::path kAssets = HEADROOM_SOURCE_DIR "/assets";

/// Its Speed stage open with very short measurements.
struct Harness : test::ProgramHarness {
  Harness() : ProgramHarness(std::chrono::seconds(40), opening()) {}

  static Session opening() {
    Session session;
    session.view.stage = StageView::kSpeed;
    session.view.speed_tokens = 16;
    session.view.speed_seconds = 0.001;
    return session;
  }
};

TEST(SpeedStage, MeasuresWhenAskedAndKeepsIt) {
  Harness harness;
  EXPECT_EQ(harness.model().speed.report, nullptr) << "nothing is measured unasked";
  harness.command(MeasureSpeed{SpeedSection::kLadder});
  ASSERT_TRUE(harness.until([&] { return harness.model().speed.report != nullptr; }));
  const auto report = harness.model().speed.report;
  ASSERT_TRUE(report->ladder);
  EXPECT_EQ(report->shape.config.seq_k, 16);
  EXPECT_EQ(report->shape.config.n_heads, 8);
  harness.act(StageViewSet{StageView::kHeads});
  harness.act(KvHeadsSet{2});
  EXPECT_TRUE(harness.until([&] { return harness.model().snapshot->compute.n_kv_heads == 2; }));
  EXPECT_EQ(harness.model().speed.report, report) << "old figures stay, for their own shape";
  harness.act(StageViewSet{StageView::kSpeed});
  harness.command(MeasureSpeed{SpeedSection::kDevices});
  ASSERT_TRUE(harness.until([&] { return harness.model().speed.report != report; }));
  EXPECT_EQ(harness.model().speed.report->shape.config.n_kv_heads, 2);
  EXPECT_FALSE(harness.model().speed.report->ladder) << "was of another shape";
}

TEST(SpeedStage, CancelStopsIt) {
  Harness harness;
  harness.act(SpeedSecondsSet{10});
  harness.command(MeasureSpeed{});
  ASSERT_TRUE(harness.until([&] { return harness.model().speed.running.has_value(); }));
  harness.command(CancelWork{});
  EXPECT_TRUE(harness.until([&] { return !harness.model().progress.is_busy; }));
  EXPECT_FALSE(harness.model().speed.running);
  EXPECT_TRUE(harness.model().speed.failures.empty());
}

TEST(SpeedStage, WritesItsNumbersWholeOrNotAtAll) {
  const TemporaryFolder folder;
  Harness harness;
  const fs::path path = folder / "speed.csv";
  harness.command(ExportFigure{.view = "speed", .path = path});
  EXPECT_TRUE(harness.has_toast("nothing has been found for the view speed"));
  EXPECT_FALSE(fs::exists(path));
  harness.command(MeasureSpeed{SpeedSection::kLadder});
  ASSERT_TRUE(harness.until([&] { return harness.model().speed.report != nullptr; }));
  harness.command(ExportFigure{.view = "speed", .path = path});
  ASSERT_TRUE(harness.until([&] { return harness.has_toast("Exported"); }));
  const std::string csv = file_bytes(path);
  EXPECT_EQ(csv, to_csv(*harness.model().speed.report));
  EXPECT_THAT(csv, HasSubstr("K/V cache"));
  harness.command(ExportFigure{.view = "speed", .path = folder / "no" / "such" / "folder.csv"});
  EXPECT_TRUE(harness.until([&] { return harness.has_toast("folder.csv"); }));
  EXPECT_FALSE(fs::exists(folder / "no"));
}

TEST(SpeedCommand, ExportsMeasuredNumbersAndPictures) {
  const TemporaryFolder folder;
  const std::vector<std::string> quick{"--set", "view.speed_tokens=16", "--set", "view.speed_seconds=0.001"};
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "export");
    arguments.insert(arguments.end(), quick.begin(), quick.end());
    return run_program(arguments);
  };
  const Finished csv = run({"--view", "ladder", "--out", (folder / "l.csv").string()});
  EXPECT_EQ(csv.status, 0) << csv.err;
  EXPECT_THAT(file_bytes(folder / "l.csv"), HasSubstr("per-head loops"));
  const Finished png = run({"--view", "ladder", "--size", "640x400", "--out", (folder / "l.png").string()});
  EXPECT_EQ(png.status, 0) << png.err;
  EXPECT_EQ(read_png(folder / "l.png").width, 640);
  const Finished svg = run({"--view", "ladder", "--size", "640x400", "--out", (folder / "l.svg").string()});
  EXPECT_EQ(svg.status, 0) << svg.err;
  EXPECT_THAT(file_bytes(folder / "l.svg"), HasSubstr("<svg"));
  const Finished wrong = run({"--view", "heads", "--out", (folder / "x.csv").string()});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_THAT(wrong.err, HasSubstr("only the views train, speed"));
  EXPECT_FALSE(fs::exists(folder / "x.csv"));
}

/// As in the session of the window: a computed snapshot, the Speed stage, made-up figures of its shape.
AppModel made_up_model(SpeedState (*state_of)(const SpeedShape&)) {
  Session session;
  session.view.stage = StageView::kSpeed;
  session.view.speed_tokens = 1024;
  EngineOptions options;
  options.assets = kAssets;
  options.n_threads = 2;
  Computer computer(options);
  AppModel model = export_model(session, without_times(computer.compute(session.compute, 1)));
  model.backend_text = "CPU · flash";
  model.speed = state_of(speed_shape_of(session, 10));
  return model;
}

struct PictureCase {
  std::string name, view;
  SpeedState (*state_of)(const SpeedShape&);
  ThemeName theme = ThemeName::kDark;
  Size size{1280, 720};
};
SpeedState of_the_session(const SpeedShape& shape) { return made_up_state(shape); }
SpeedState of_another(const SpeedShape&) { return made_up_state(); }
SpeedState nothing(const SpeedShape&) { return {}; }

class SpeedPictures : public testing::TestWithParam<PictureCase> {};

TEST_P(SpeedPictures, LookAsTheyShould) {
  const PictureCase& c = GetParam();
  if (font_files().sans.string().find("Inter") == std::string::npos) GTEST_SKIP() << "the font Inter is not installed";
  if (font_files().mono.string().find("JetBrains") == std::string::npos) GTEST_SKIP() << "the font JetBrains Mono is not installed";
  if (c.view == "window") {
    try {
      const auto facts = gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33)->facts();
      if (facts.renderer.find("llvmpipe") == std::string::npos || facts.version.find("Mesa 22.3") == std::string::npos)
        GTEST_SKIP() << "the golden pictures are not " << facts.renderer << "'s, " << facts.version;
    } catch (const Error& error) {
      const char* required = std::getenv("HEADROOM_REQUIRE_GL");
      if (required != nullptr) FAIL() << error.what();
      GTEST_SKIP() << error.what();
    }
  }
  ExportRequest request;
  request.view = c.view;
  request.size = c.size;
  request.theme = c.theme;
  const TemporaryFolder folder;
  write_bytes(folder / "x.png", export_view(made_up_model(c.state_of), request));
  EXPECT_EQ(check_against_golden(read_png(folder / "x.png"), c.name), "");
}

INSTANTIATE_TEST_SUITE_P(All, SpeedPictures,
                         testing::Values(PictureCase{"speed-dark", "speed", of_the_session, ThemeName::kDark, {1320, 790}},
                                         PictureCase{"speed-stale-light", "speed", of_another, ThemeName::kLight, {1000, 620}},
                                         PictureCase{"speed-empty-dark", "speed", nothing, ThemeName::kDark, {1320, 790}},
                                         PictureCase{"ladder-light", "ladder", of_the_session, ThemeName::kLight, {800, 450}},
                                         PictureCase{"roofline-dark", "roofline", of_the_session},
                                         PictureCase{"growth-light", "growth", of_the_session, ThemeName::kLight},
                                         PictureCase{"window-speed", "window", of_the_session}),
                         [](const auto& test_info) {
                           std::string name = test_info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(SpeedFrame, StaysWithinItsDrawCalls) {
  try {
    gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33);
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  const std::vector<FrameStats> frames = measure_frames(made_up_model(of_the_session), {1600, 900}, 1, 5);
  EXPECT_LE(frames.back().draw_calls, 30);
  EXPECT_LE(frames.back().vertices, 40000);
}

}  // namespace
}  // namespace headroom
