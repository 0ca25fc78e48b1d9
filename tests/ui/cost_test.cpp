// The Cost stage in a real window: opened by key, a plan changed by its controls, by a click in the picture, and compared with a second one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/session/session_json.h"
#include "tests/ui/desktop_test.h"

namespace headroom::ui {
namespace {

namespace fs = std::filesystem;

class CostWindow : public DesktopTest {
 protected:
  Desktop& open() {
    Session session;
    session.cost.card = "card:llama-3-8b";
    save_session(session, home_ / "lesson.headroom.json");
    desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{(home_ / "lesson.headroom.json").string()});
    return *desktop_;
  }
};

TEST_F(CostWindow, PlansComparesAndWrites) {
  Desktop& desktop = open();
  desktop.key("8");
  desktop.box("stage/cost/memory weights");
  for (const char* control : {"cost/card", "cost/context", "cost/batch", "cost/weights", "cost/kv", "cost/kv_heads", "cost/window",
                              "cost/page_rows", "cost/device", "cost/devices", "cost/page/plan", "cost/page/arithmetic"})
    desktop.box(control);
  desktop.click("cost/page/arithmetic");
  desktop.box("stage/cost/line largest_batch");
  desktop.click("cost/page/plan");
  desktop.click("stage/cost/batch 4");
  desktop.click("cost/beside/plan");
  desktop.box("stage/cost/second memory weights");
  desktop.box("cost/copy_first");
  desktop.click("cost/beside/none");
  desktop.until("one plan", [&] { return !desktop.has("stage/cost/second memory weights"); });
  desktop.key("ctrl+s");
  desktop.until("the saved plan", [&] {
    std::ifstream file(home_ / "lesson.headroom.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    return text.find("\"cost\"") != std::string::npos && session_from_json(text).session.cost.batch == 4;
  });
}

}  // namespace
}  // namespace headroom::ui
