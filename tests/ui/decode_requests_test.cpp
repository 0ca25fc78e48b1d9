// Requests and qualities in a real window: run by key and button, stepped through by the pictures and by keys, measured and stopped.

#include <gtest/gtest.h>

#include "core/session/session_json.h"
#include "tests/ui/desktop_test.h"

namespace headroom::ui {
namespace {

class DecodeRequestsWindow : public DesktopTest {
 protected:
  Desktop& open() {
    Session session;
    session.batch.n_requests = 24;
    save_session(session, file_);
    desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{file_.string()});
    desktop_->click("tab/Decode");
    return *desktop_;
  }
  void until_saved(const std::string& what, const std::function<bool(const Session&)>& is_so) {
    desktop_->until(what, [&] {
      desktop_->key("ctrl+s");
      return is_so(load_session(file_).session);
    });
  }
};

TEST_F(DecodeRequestsWindow, RunsAndLooksAtSteps) {
  Desktop& desktop = open();
  desktop.click("decode/section/requests");
  desktop.box("batch/run");
  EXPECT_FALSE(desktop.has("batch/step"));
  desktop.key("Return");
  desktop.click("stage/batch/pages memory 30");
  until_saved("the clicked step", [](const Session& session) { return session.view.batch_step == 30; });
  desktop.key("Right");
  until_saved("the step after it", [](const Session& session) { return session.view.batch_step == 31; });
  desktop.drag("batch/requests", 0.5, 0.62);
  until_saved("other requests", [](const Session& session) { return session.batch.n_requests != 24; });
  EXPECT_TRUE(desktop.has("batch/step")) << "the old figures stay";
  desktop.hover("stage/batch/assumptions");
}

TEST_F(DecodeRequestsWindow, MeasuresQualityAndTakesACache) {
  Desktop& desktop = open();
  desktop.click("decode/section/quality");
  desktop.click("quality/measure");
  desktop.until("the first points", [&] { return desktop.has("stage/quality/full"); });
  desktop.until("the end, or a stop", [&] {
    if (desktop.has("quality/measure/stop")) desktop.click("quality/measure/stop");
    return desktop.has("quality/measure");
  });
  desktop.click("stage/quality/row last 8 tokens window");
  until_saved("its cache", [](const Session& session) {
    return session.decode.cache.eviction == Eviction::kWindow && session.decode.cache.window == 8;
  });
}

}  // namespace
}  // namespace headroom::ui
