#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "app/window/export.h"
#include "app/window/frame_stats.h"
#include "app/window/window.h"
#include "core/gl/context.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr Size kSize{1600, 900};

/// The window as it opens, or with a change made to its session.
AppModel opened_with(const Session& session) {
  EngineOptions options;
  options.assets = HEADROOM_SOURCE_DIR "/assets";
  Computer computer(options);
  AppModel model = export_model(session, computer.compute(session.compute, 1));
  model.bundled = list_bundled_models(options.assets);
  return model;
}

class WindowFrame : public testing::Test {
 protected:
  void SetUp() override {
    try {
      gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33);
    } catch (const Error& error) {
      const char* required = std::getenv("HEADROOM_REQUIRE_GL");
      if (required != nullptr && std::string(required) == "1") FAIL() << error.what();
      GTEST_SKIP() << error.what();
    }
  }
};

TEST_F(WindowFrame, EveryStageStaysWithinItsDrawCalls) {
  for (const StageView stage : {StageView::kHeads, StageView::kHead, StageView::kToken}) {
    Session session;
    session.view.stage = stage;
    session.view.head = HeadRef{3, 1};
    session.view.query = 8;
    session.view.key = 2;
    const std::vector<FrameStats> frames = measure_frames(opened_with(session), kSize, 1, 6);
    const FrameStats& last = frames.back();
    EXPECT_LE(last.draw_calls, 30) << "stage " << static_cast<int>(stage);
    EXPECT_LE(last.vertices, 40000);
    EXPECT_EQ(last.tiles_evaluated, 0) << "a frame in which nothing changed evaluates nothing";
    const std::int64_t buffers = last.vertices * 20 + last.indices * 2;
    EXPECT_EQ(last.bytes_uploaded, buffers) << "and uploads no texture";
    const auto by_cost = [](const FrameStats& a, const FrameStats& b) { return a.cpu_ms < b.cpu_ms; };
    RecordProperty("cpu_ms_stage_" + std::to_string(static_cast<int>(stage)),
                   std::to_string(std::min_element(frames.begin(), frames.end(), by_cost)->cpu_ms));
  }
}

TEST_F(WindowFrame, TheOpeningWindowShowsEveryHead) {
  EXPECT_GE(measure_frames(opened_with({}), kSize, 1, 3).back().tiles_drawn, 32);
}

TEST_F(WindowFrame, TheSameModelGivesTheSamePicture) {
  const AppModel model = opened_with({});
  const Image first = render_window(model, kSize, 1), second = render_window(model, kSize, 1);
  EXPECT_EQ(first.width, 1600);
  EXPECT_EQ(first.height, 900);
  EXPECT_EQ(first.rgba, second.rgba);
  const Image large = render_window(model, {800, 450}, 2);
  EXPECT_EQ(large.width, 1600);
  EXPECT_NE(large.rgba, first.rgba);
}

TEST_F(WindowFrame, SizesThatCannotBeAreRefused) {
  const AppModel model;
  EXPECT_THROW(render_window(model, {0, 100}, 1), Error);
  EXPECT_THROW(render_window(model, {20000, 100}, 1), Error);
  EXPECT_THROW(render_window(model, {100, 100}, 1e9), Error);
}

TEST_F(WindowFrame, ExportsOfTheWindowEmbedItsPicture) {
  const AppModel model = opened_with({});
  ExportRequest request{.view = "window", .format = FigureFormat::kPng, .size = {640, 480}, .scale = 1};
  const std::string png = export_view(model, request);
  EXPECT_EQ(png.substr(1, 3), "PNG");
  request.format = FigureFormat::kSvg;
  const std::string svg = export_view(model, request);
  EXPECT_NE(svg.find("<svg"), std::string::npos);
  EXPECT_NE(svg.find("data:image/png;base64,iVBORw0KGgo"), std::string::npos);
  request.format = FigureFormat::kPdf;
  const std::string pdf = export_view(model, request);
  EXPECT_EQ(pdf.substr(0, 5), "%PDF-");
  EXPECT_EQ(pdf, export_view(model, request)) << "no date, no random name";
}

TEST(ExportRequests, AreChecked) {
  EXPECT_EQ(export_format("a/b.PNG"), FigureFormat::kPng);
  EXPECT_EQ(export_format("b.svg"), FigureFormat::kSvg);
  EXPECT_EQ(export_format("b.x.pdf"), FigureFormat::kPdf);
  EXPECT_THROW(export_format("b.gif"), Error);
  EXPECT_THROW(export_format("png"), Error);
  const AppModel model;
  EXPECT_THROW(export_view(model, {.view = "kitchen"}), Error);
  EXPECT_THROW(export_view(model, {.view = "heads", .size = {1, 900}}), Error);
  EXPECT_THROW(export_view(model, {.view = "heads", .scale = 100}), Error);
}

}  // namespace
}  // namespace headroom
