// Writing, the lens and the stacks of an encoder-decoder in a real window.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/session/engine.h"
#include "core/session/reduce.h"
#include "core/session/session_json.h"
#include "tests/ui/desktop_test.h"

namespace headroom::ui {
namespace {

class WriteWindow : public DesktopTest {
 protected:
  Desktop& open(Session session) {
    session.write.tokens = 6;
    save_session(session, home_ / "lesson.headroom.json");
    desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{(home_ / "lesson.headroom.json").string()});
    return *desktop_;
  }
};

TEST_F(WriteWindow, WritesChoosesAStepTakesItAwayAndLooksThroughTheLayers) {
  Desktop& desktop = open({});
  desktop.box("stage/head L2 H3");
  desktop.key("w");
  desktop.click("write/write");
  // The sentence has ten tokens with its beginning.
  desktop.until("the last written token", [&] { return desktop.has("strip/written/written 15"); });
  desktop.click("strip/written/written 12");
  desktop.click("write/take_away");
  desktop.until("an empty panel", [&] { return !desktop.has("strip/written/written 12"); });
  desktop.key("ctrl+z");
  desktop.until("what was taken away", [&] { return desktop.has("strip/written/written 12"); });
  desktop.key("g");
  desktop.until("the lens", [&] { return desktop.has("strip/lens/lens 4 0"); });
  desktop.key("g");
  desktop.box("strip/kv/float32");
}

TEST_F(WriteWindow, WalksThroughTheStacksOfATranslation) {
  const std::filesystem::path folder = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets/models/grammar-translation";
  Session session = reduce({}, ModelOpened{ModelSource::kBundled, "grammar-translation", read_model_shape(folder)}).session;
  session = reduce(session, TextEdited{"the dogs are loud ."}).session;
  Desktop& desktop = open(session);
  desktop.box("stage/head L2 H3");
  desktop.box("rail/second");
  desktop.click("stack/decoder");
  desktop.box("rail/token 5");  // <bos>, four words and the end that the decoder wrote
  desktop.key("e");
  desktop.click("stage/head L1 H2");
  desktop.until("the large head", [&] { return desktop.has("stage/cells L1 H2"); });
  desktop.key("e");
  desktop.until("the encoder's tokens", [&] { return desktop.has("stack/encoder") && desktop.has("rail/token 4"); });
}

}  // namespace
}  // namespace headroom::ui
