// The Train stage in a real window: trained by button and key, looked back at, a head chosen, used in the other views, closed while it trains.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "core/session/reduce.h"
#include "core/session/session_json.h"
#include "tests/ui/desktop_test.h"

namespace headroom::ui {
namespace {

namespace fs = std::filesystem;

class TrainWindow : public DesktopTest {
 protected:
  /// A run that does not end by itself while the test looks at it.
  Desktop& open(std::int64_t tokens = 20'000'000) {
    Session session;
    session.train.tokens = tokens;
    session = reduce({}, SessionReplaced{session}).session;
    save_session(session, file_);
    desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{file_.string()});
    desktop_->key("4");
    desktop_->box("train/primary");
    return *desktop_;
  }

  /// Kept states on the time line.
  std::ptrdiff_t n_kept() {
    const std::vector<std::string> names = desktop_->names();
    return std::count_if(names.begin(), names.end(), [](const std::string& name) { return name.starts_with("stage/time "); });
  }
  bool has_some(const std::string& prefix) {
    const std::vector<std::string> names = desktop_->names();
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.starts_with(prefix); });
  }
  /// What the rail says was seen, which stands still while nothing trains.
  std::int64_t tokens_seen() {
    for (const std::string& name : desktop_->names()) {
      if (name.starts_with("train/seen ")) return std::stoll(name.substr(std::string("train/seen ").size()));
    }
    return -1;
  }
};

TEST_F(TrainWindow, TrainsPausesAndLooksBack) {
  Desktop& desktop = open();
  EXPECT_EQ(tokens_seen(), -1) << "nothing trains unasked";
  desktop.click("train/primary");
  desktop.until("tokens seen", [&] { return tokens_seen() > 0; });
  const std::int64_t some = tokens_seen();
  desktop.until("more tokens seen", [&] { return tokens_seen() > some; });
  desktop.until("states on the time line", [&] { return n_kept() >= 4; });
  desktop.key("space");
  desktop.until("a pause", [&] {
    const std::int64_t before = tokens_seen();
    desktop.pause(0.5);
    return tokens_seen() == before;
  });
  // Every head's picture is there; a click chooses one, a double-click's key shows it large, Esc goes back.
  desktop.click("stage/head L1 H1");
  desktop.until("what its removal costs", [&] { return has_some("train/ablation/ablation "); });
  desktop.key("Return");
  desktop.until("the large head", [&] { return !desktop.has("stage/head L0 H0"); });
  desktop.key("Escape");
  desktop.box("stage/head L0 H0");
  // Back in time by drag, by key, and to the newest.
  desktop.drag("train/timeline", 0.2, 0.02);
  desktop.until("an earlier time", [&] { return desktop.has("train/looking back"); });
  desktop.key("End");
  desktop.until("the newest", [&] { return !desktop.has("train/looking back"); });
  desktop.key("Left");
  desktop.until("an earlier time by key", [&] { return desktop.has("train/looking back"); });
  desktop.key("Home");
  desktop.key("End");
  desktop.until("the newest again", [&] { return !desktop.has("train/looking back"); });
}

TEST_F(TrainWindow, IsUsedInAllViewsAndComesBackByUndo) {
  Desktop& desktop = open(20'000);
  desktop.key("space");
  desktop.until("the end of the run", [&] { return tokens_seen() >= 20'000; });
  desktop.click("train/use");
  desktop.until("the heads of the trained model", [&] { return desktop.has("stage/head L1 H3") && desktop.has("rail/sentence"); });
  const fs::path models = home_ / ".local" / "share" / "headroom" / "models";
  ASSERT_TRUE(fs::exists(models));
  EXPECT_TRUE(std::any_of(fs::directory_iterator(models), fs::directory_iterator(),
                          [](const fs::directory_entry& entry) { return fs::exists(entry.path() / "model.safetensors"); }));
  desktop.key("ctrl+z");
  desktop.box("train/primary");
}

TEST_F(TrainWindow, AChangedFormStopsTheRunAndOffersAFreshOne) {
  Desktop& desktop = open();
  desktop.click("train/primary");
  desktop.until("tokens seen", [&] { return tokens_seen() > 0; });
  desktop.drag("train/h", 0.55, 0.33);
  desktop.until("a pause", [&] {
    const std::int64_t before = tokens_seen();
    desktop.pause(0.5);
    return tokens_seen() == before;
  });
  EXPECT_TRUE(desktop.program().is_running());
}

TEST_F(TrainWindow, AsksOnceWhenItIsClosedAndKeepsTheRun) {
  Desktop& desktop = open();
  desktop.click("train/primary");
  desktop.until("tokens seen", [&] { return tokens_seen() > 0; });
  desktop.key("ctrl+q");
  desktop.click("closing/go_on");
  desktop.until("the dialog's end", [&] { return !desktop.has("closing/keep"); });
  EXPECT_TRUE(desktop.program().is_running());
  desktop.key("ctrl+q");
  desktop.click("closing/keep");
  EXPECT_EQ(desktop.program().wait(20), 0);
  EXPECT_TRUE(fs::exists(home_ / ".local" / "state" / "headroom" / "training" / "model.safetensors"));
  // It is offered the next time, and goes on from where it was.
  desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{});
  desktop_->key("4");
  desktop_->click("train/kept_go_on");
  desktop_->until("the kept run", [&] { return tokens_seen() > 0; });
  const std::int64_t kept = tokens_seen();
  desktop_->click("train/primary");
  desktop_->until("more tokens", [&] { return tokens_seen() > kept; });
  desktop_->key("ctrl+q");
  desktop_->click("closing/quit");
  EXPECT_EQ(desktop_->program().wait(20), 0);
}

}  // namespace
}  // namespace headroom::ui
