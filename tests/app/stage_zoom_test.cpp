// Wheel, drags and keys on a head's picture, through the window's own frames: what was under the pointer stays there.

#include <epoxy/gl.h>
// epoxy must come before anything that includes OpenGL's own header.
#include <gtest/gtest.h>
#include <imgui.h>

#include <cmath>
#include <cstdlib>
#include <optional>

#include "app/window/export.h"
#include "app/window/gui.h"
#include "core/figure/head_window.h"
#include "core/gl/context.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr float kWidth = 1280, kHeight = 800;

class StageZoom : public testing::Test {
 protected:
  void SetUp() override {
    try {
      context_ = gl::OffscreenContext::open(gl::OffscreenContext::Need::kDraw33);
    } catch (const Error& error) {
      const char* required = std::getenv("HEADROOM_REQUIRE_GL");
      if (required != nullptr && std::string(required) == "1") FAIL() << error.what();
      GTEST_SKIP() << error.what();
    }
    EngineOptions options;
    options.assets = HEADROOM_SOURCE_DIR "/assets";
    options.measures_held_out_loss = false;
    Computer computer(options);
    Session session;
    std::string text;
    for (int i = 0; i < 60; ++i)
      text += "the cat that sat on the mat was fluffy ";
    session.compute.text = text;
    session.view.stage = StageView::kHead;
    session.view.head = HeadRef{2, 5};
    session.view.query.reset();
    session.view.drawing = HeadDrawing::kHeatmap;
    model_ = export_model(session, computer.compute(session.compute, 1));
    n_ = static_cast<std::int64_t>(model_.snapshot->seq());
    ASSERT_GT(n_, 500);
    gui_.emplace([] {});
  }

  const Session& session() const { return model_.history.current(); }

  /// A frame with the pointer there; what it led to is applied. Returns the actions.
  std::vector<Outbox::Sent> frame(ImVec2 mouse, bool is_down = false, float wheel = 0) {
    gui_->activate();
    gui_->prepare(model_, 1);
    ImGuiIO& io = ImGui::GetIO();
    io.DisplaySize = {kWidth, kHeight};
    io.DisplayFramebufferScale = {1, 1};
    io.DeltaTime = 0.5F;  // no two clicks are a double click
    io.MousePos = mouse;
    io.MouseDown[0] = is_down;
    io.MouseWheel = wheel;
    Outbox outbox;
    gui_->build(model_, outbox);
    gui_->finish();
    for (const Outbox::Sent& sent : outbox.actions)
      model_.history.apply(sent.action, sent.group);
    return outbox.actions;
  }

  /// The cell that a click there chooses.
  CellSelected cell_at(ImVec2 at) {
    frame(at);
    frame(at, true);
    std::optional<CellSelected> chosen;
    for (const Outbox::Sent& sent : frame(at)) {
      if (const auto* cell = std::get_if<CellSelected>(&sent.action)) chosen = *cell;
    }
    model_.history.apply(SelectionReleased{});
    model_.history.apply(SelectionReleased{});
    frame(at);
    EXPECT_TRUE(chosen) << "no cell lies there";
    return chosen.value_or(CellSelected{-1, -1});
  }

  // Inside the picture, which stands in the middle of the stage, below its diagonal.
  const ImVec2 inside_{530, 330};

  std::unique_ptr<gl::OffscreenContext> context_;
  AppModel model_;
  std::int64_t n_ = 0;
  std::optional<Gui> gui_;
};

TEST_F(StageZoom, TheWheelKeepsWhatLiesUnderThePointer) {
  for (int i = 0; i < 3; ++i)
    frame(inside_);
  for (int i = 0; i < 4; ++i)
    frame(inside_, false, 1);
  const CellSelected before = cell_at(inside_);
  for (int i = 0; i < 8; ++i)
    frame(inside_, false, 1);
  EXPECT_NEAR(session().view.zoom, std::pow(1.25, 12), 1e-9);
  const CellSelected after = cell_at(inside_);
  EXPECT_NEAR(static_cast<double>(after.query), static_cast<double>(before.query), 2);
  EXPECT_NEAR(static_cast<double>(after.key), static_cast<double>(before.key), 2);
  for (int i = 0; i < 40; ++i)
    frame(inside_, false, 1);
  EXPECT_EQ(session().view.zoom, largest_zoom(n_));
  for (int i = 0; i < 60; ++i)
    frame(inside_, false, -1);
  EXPECT_EQ(window_of(session().view, n_), (TokenWindow{0, n_, 0, n_}));
}

TEST_F(StageZoom, ADragTakesThePictureAlong) {
  for (int i = 0; i < 3; ++i)
    frame(inside_);
  for (int i = 0; i < 8; ++i)
    frame(inside_, false, 1);
  const CellSelected before = cell_at(inside_);
  frame(inside_, true);
  ImVec2 at = inside_;
  for (int i = 0; i < 10; ++i) {
    at = ImVec2(at.x + 6, at.y + 3);
    for (const Outbox::Sent& sent : frame(at, true))
      EXPECT_TRUE(std::holds_alternative<ZoomSet>(sent.action));
  }
  for (const Outbox::Sent& sent : frame(at))
    EXPECT_FALSE(std::holds_alternative<CellSelected>(sent.action)) << "a drag is no click";
  const CellSelected after = cell_at(at);
  // The first steps of a drag are spent on telling it from a click.
  const double tokens_a_pixel = static_cast<double>(window_of(session().view, n_).cols()) / 200;
  EXPECT_NEAR(static_cast<double>(after.key), static_cast<double>(before.key), 8 * tokens_a_pixel + 2);
  EXPECT_NEAR(static_cast<double>(after.query), static_cast<double>(before.query), 8 * tokens_a_pixel + 2);
  EXPECT_NE(after.key, -1);
}

TEST_F(StageZoom, AMovedPictureEvaluatesOnlyNewBlocks) {
  for (int i = 0; i < 3; ++i)
    frame(inside_);
  for (int i = 0; i < 10; ++i)
    frame(inside_, false, 1);
  for (int i = 0; i < 3; ++i)
    frame(inside_);
  const double pan = session().view.pan_x;
  model_.history.apply(ZoomSet{session().view.zoom, pan + 0.001, session().view.pan_y});
  gui_->prepare(model_, 1);
  Outbox outbox;
  ImGui::GetIO().MousePos = {5, 5};
  const FrameStats moved = gui_->build(model_, outbox);
  EXPECT_EQ(moved.tiles_evaluated, 0) << "less than a block: all of it was known";
}

}  // namespace
}  // namespace headroom
