// The Speed stage in a real window: opened by key, measured with a tiny budget, cancelled, its numbers written to a file.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/session/session_json.h"
#include "tests/ui/desktop.h"

namespace headroom::ui {
namespace {

namespace fs = std::filesystem;

class SpeedWindow : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = Desktop::what_is_missing(); !missing.empty()) {
      if (std::getenv("HEADROOM_REQUIRE_GL") != nullptr) FAIL() << missing;
      GTEST_SKIP() << missing;
    }
    std::string name = (fs::temp_directory_path() / "headroom-ui-XXXXXX").string();
    home_ = mkdtemp(name.data());
  }
  void TearDown() override {
    if (desktop_ && HasFailure()) {
      const fs::path folder = fs::path(HEADROOM_BINARY_DIR) / "pictures";
      fs::create_directories(folder);
      desktop_->save_screenshot(folder / (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".png"));
    }
    desktop_.reset();
    std::error_code ignored;
    fs::remove_all(home_, ignored);
  }
  Desktop& open(double seconds) {
    Session session;
    session.view.speed_tokens = 16;
    session.view.speed_seconds = seconds;
    save_session(session, home_ / "lesson.headroom.json");
    desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{(home_ / "lesson.headroom.json").string()});
    return *desktop_;
  }

  fs::path home_;
  std::unique_ptr<Desktop> desktop_;
};

TEST_F(SpeedWindow, MeasuresAPartAndWritesItsNumbers) {
  Desktop& desktop = open(0.001);
  desktop.click("tab/Speed");
  desktop.click("speed/measure ladder");
  // The button wakes up when there is something to write.
  desktop.until("the export dialog", [&] {
    if (!desktop.has("dialog/confirm")) desktop.click("speed/csv");
    return desktop.has("dialog/confirm");
  });
  desktop.key("Return");
  const fs::path csv = home_ / "speed.csv";
  desktop.until("the numbers", [&] { return fs::exists(csv); });
  std::ifstream file(csv);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(text, testing::HasSubstr("per-head loops"));
  EXPECT_THAT(text, testing::HasSubstr("ms"));
}

TEST_F(SpeedWindow, StaysAliveWhileItMeasuresAndCancels) {
  Desktop& desktop = open(10);
  desktop.key("4");
  desktop.box("speed/measure");
  desktop.key("m");
  desktop.box("speed/cancel");
  // Another tab and back, while it measures.
  desktop.key("1");
  desktop.box("stage/head L2 H3");
  desktop.key("4");
  desktop.click("speed/cancel");
  desktop.until("the end of the measurement", [&] { return desktop.has("speed/measure") && !desktop.has("speed/cancel"); });
}

}  // namespace
}  // namespace headroom::ui
