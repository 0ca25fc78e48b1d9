// A real window on a display without a screen, driven by a real mouse and real keys. What came of it is read back from the saved session
// and the exported file.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "app/painters/png.h"
#include "core/session/session_json.h"
#include "tests/ui/desktop_test.h"

namespace headroom::ui {
namespace {

namespace fs = std::filesystem;

class Window : public DesktopTest {
 protected:
  void SetUp() override {
    DesktopTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) save_session(Session{}, file_);
  }

  Desktop& open() {
    desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{file_.string()});
    return *desktop_;
  }
  /// Saves by key and waits until the file holds what `is_as_wished` looks for.
  Session saved(const std::function<bool(const Session&)>& is_as_wished) {
    Session session;
    desktop_->until("the saved session", [&] {
      desktop_->key("ctrl+s");
      session = load_session(file_).session;
      return is_as_wished(session);
    });
    return session;
  }
  /// Gives the keyboard back to the window's keys.
  void leave_text() { desktop_->key("Escape"); }
};

TEST_F(Window, TypesASentence) {
  Desktop& desktop = open();
  desktop.click("rail/sentence");
  desktop.key("ctrl+a");
  desktop.type("the dogs that the zebra chased were loud");
  desktop.until("the suggestions for an unknown word", [&] { return desktop.has("rail/token 8"); });
  const Session session = saved([](const Session& s) { return s.compute.text == "the dogs that the zebra chased were loud"; });
  EXPECT_EQ(session.compute.text, "the dogs that the zebra chased were loud");
}

TEST_F(Window, DragsKvHeadsAndUndoes) {
  Desktop& desktop = open();
  desktop.drag("rail/kv_heads", 0.7, 0.05);  // from the knob at its right end to the left of the line
  Session session = saved([](const Session& s) { return s.compute.n_kv_heads < 8; });
  EXPECT_EQ(session.compute.n_kv_heads, 1);
  EXPECT_EQ(session.compute.n_heads, 8);
  desktop.key("ctrl+z");
  session = saved([](const Session& s) { return s.compute.n_kv_heads == 8; });
  EXPECT_EQ(session.compute.n_kv_heads, 8) << "one drag is one step";
}

TEST_F(Window, PrunesAHeadByCtrlClickAndByKey) {
  Desktop& desktop = open();
  desktop.click("stage/head L2 H3", "ctrl");
  Session session = saved([](const Session& s) { return s.compute.pruned.size() == 1; });
  EXPECT_EQ(session.compute.pruned, (std::vector<HeadRef>{{2, 3}}));
  desktop.hover("stage/head L0 H5");
  desktop.key("p");
  session = saved([](const Session& s) { return s.compute.pruned.size() == 2; });
  EXPECT_EQ(session.compute.pruned, (std::vector<HeadRef>{{0, 5}, {2, 3}}));
}

TEST_F(Window, OpensAHeadAndReturns) {
  Desktop& desktop = open();
  desktop.click("stage/head L3 H1");
  Session session = saved([](const Session& s) { return s.view.stage == StageView::kHead; });
  EXPECT_EQ(session.view.head, (HeadRef{3, 1}));
  desktop.key("1");
  session = saved([](const Session& s) { return s.view.stage == StageView::kHeads; });
  desktop.click("rail/bidirectional");
  session = saved([](const Session& s) { return s.compute.mask.direction == Direction::kBidirectional; });
  EXPECT_EQ(session.compute.mask.direction, Direction::kBidirectional);
}

TEST_F(Window, ExportsAPictureByKeys) {
  Desktop& desktop = open();
  desktop.key("ctrl+e");
  desktop.box("dialog/confirm");
  desktop.key("Return");
  const fs::path picture = home_ / "heads.png";
  desktop.until("the exported file", [&] { return fs::exists(picture); });
  const Image image = read_png(picture);
  EXPECT_EQ(image.width, 3200) << "twice as fine is the default";
  EXPECT_EQ(image.height, 1800);
}

TEST_F(Window, QuitsByKeyAndLeavesItsSettings) {
  Desktop& desktop = open();
  desktop.key("t");
  desktop.key("ctrl+q");
  const auto status = desktop.program().wait(10);
  ASSERT_TRUE(status.has_value()) << "it still runs";
  EXPECT_EQ(*status, 0);
  std::ifstream settings(home_ / ".config/headroom/settings.json");
  const std::string text{std::istreambuf_iterator<char>(settings), {}};
  EXPECT_THAT(text, testing::HasSubstr("light"));
}

TEST_F(Window, DrawsNothingWhenNothingHappens) {
  Desktop& desktop = open();
  desktop.hover("rail/h");
  // Tooltips fade in and the loss arrives; then two seconds pass without a frame.
  long used = 0;
  for (int attempt = 0; attempt < 6; ++attempt) {
    const long before = desktop.program().cpu_ticks();
    desktop.pause(2);
    used = desktop.program().cpu_ticks() - before;
    if (used <= 1) break;
  }
  EXPECT_LE(used, 1) << "clock ticks of processor time in two idle seconds";
}

}  // namespace
}  // namespace headroom::ui
