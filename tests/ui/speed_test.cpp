// The Speed stage in a real window: opened by key, measured with a tiny budget, cancelled, its numbers written to a file.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/session/session_json.h"
#include "tests/ui/desktop_test.h"

namespace headroom::ui {
namespace {

namespace fs = std::filesystem;

class SpeedWindow : public DesktopTest {
 protected:
  Desktop& open(double seconds) {
    Session session;
    session.view.speed_tokens = 16;
    session.view.speed_seconds = seconds;
    save_session(session, home_ / "lesson.headroom.json");
    desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{(home_ / "lesson.headroom.json").string()});
    return *desktop_;
  }
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
  desktop.key("5");
  desktop.box("speed/measure");
  desktop.key("m");
  desktop.box("speed/cancel");
  // Another tab and back, while it measures.
  desktop.key("1");
  desktop.box("stage/head L2 H3");
  desktop.key("5");
  desktop.click("speed/cancel");
  desktop.until("the end of the measurement", [&] { return desktop.has("speed/measure") && !desktop.has("speed/cancel"); });
}

}  // namespace
}  // namespace headroom::ui
