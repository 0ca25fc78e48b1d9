// A window with a long text costs what is seen of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "app/window/export.h"
#include "app/window/frame_stats.h"
#include "core/gl/context.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr Size kSize{1600, 900};

AppModel opened_with(const Session& session, std::size_t long_tokens) {
  EngineOptions options;
  options.assets = HEADROOM_SOURCE_DIR "/assets";
  options.measures_held_out_loss = false;
  options.long_tokens = long_tokens;
  Computer computer(options);
  AppModel model = export_model(session, computer.compute(session.compute, 1));
  model.bundled = list_bundled_models(options.assets);
  return model;
}

Session session_of(int n_words) {
  constexpr const char* kWords[] = {"the", "cat", "that", "sat", "on", "the", "mat", "was", "fluffy", "zyx"};
  std::string text;
  for (int i = 0; i < n_words; ++i)
    text += kWords[i % 10] + std::string(" ");
  Session session;
  session.compute.text = text;
  session.view.query = n_words / 2;
  return session;
}

class LongTextFrame : public testing::Test {
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

TEST_F(LongTextFrame, CostsNoMoreForMoreTokens) {
  for (const StageView stage : {StageView::kHeads, StageView::kHead, StageView::kToken}) {
    std::vector<FrameStats> last;
    for (const int n_words : {600, 2400}) {
      Session session = session_of(n_words);
      session.view.stage = stage;
      session.view.head = HeadRef{0, 1};
      last.push_back(measure_frames(opened_with(session, 256), kSize, 1, 8).back());
    }
    for (const FrameStats& frame : last) {
      EXPECT_LE(frame.draw_calls, 34) << "stage " << static_cast<int>(stage);
      EXPECT_LE(frame.vertices, 50000);
      EXPECT_EQ(frame.tiles_evaluated, 0) << "a frame in which nothing changed evaluates nothing";
    }
    EXPECT_LT(std::abs(last[0].vertices - last[1].vertices), last[0].vertices / 5) << "rows that are not seen are not built";
  }
}

TEST_F(LongTextFrame, AMegabyteIsDrawnByItsBeginning) {
  // One word of a megabyte, as a hostile file has it.
  Session session;
  session.compute.text = std::string(1u << 20, 'x');
  const std::vector<FrameStats> frames = measure_frames(opened_with(session, kLongTokens), kSize, 1, 4);
  EXPECT_LE(frames.back().vertices, 50000);
  RecordProperty("cpu_ms", std::to_string(frames.back().cpu_ms));
}

}  // namespace
}  // namespace headroom
