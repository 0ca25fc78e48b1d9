// Long and unusual texts in a real window: opened, pasted, searched, edited. What came of it is read back from the saved session.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/session/session_json.h"
#include "tests/ui/desktop_test.h"

namespace headroom::ui {
namespace {

namespace fs = std::filesystem;

class LongText : public DesktopTest {
 protected:
  Desktop& open(const std::string& text) {
    Session session;
    session.compute.text = text;
    save_session(session, file_);
    desktop_ = std::make_unique<Desktop>(home_, std::vector<std::string>{file_.string()});
    return *desktop_;
  }
  Session saved(const std::function<bool(const Session&)>& is_as_wished) {
    Session session;
    desktop_->until("the saved session", [&] {
      desktop_->key("ctrl+s");
      session = load_session(file_).session;
      return is_as_wished(session);
    });
    return session;
  }
  /// By the dialog, as a person does who knows the path.
  void open_by_path(const fs::path& path) {
    desktop_->key("ctrl+o");
    desktop_->box("dialog/open/path");
    desktop_->key("ctrl+a");
    desktop_->type(path.string());
    desktop_->key("Return");
  }
};

std::string words(int n) {
  constexpr const char* kWords[] = {"the", "cat", "that", "sat", "on", "the", "mat", "was", "fluffy"};
  std::string text;
  for (int i = 0; i < n; ++i) {
    if (i > 0) text += ' ';
    text += kWords[i % 9];
  }
  return text;
}

TEST_F(LongText, ATextFileIsOpenedSearchedAndUndone) {
  Desktop& desktop = open("the dogs were loud");
  const fs::path story = home_ / "story.txt";
  std::ofstream(story) << "\xEF\xBB\xBF" << words(900) << "\r\n";
  open_by_path(story);
  desktop.until("the list of its tokens", [&] { return desktop.has("rail/tokens") && desktop.has("rail/text/edit"); });
  EXPECT_FALSE(desktop.has("rail/sentence")) << "a long text has a card instead of a box";
  Session session = saved([](const Session& s) { return s.compute.text.size() > 1000; });
  EXPECT_EQ(session.compute.text, words(900) + "\n");

  desktop.key("ctrl+f");
  desktop.type("fluffy");
  desktop.key("Return");
  session = saved([](const Session& s) { return s.view.query == 9; });  // token 0 is <bos>
  desktop.key("Return");
  session = saved([](const Session& s) { return s.view.query == 18; });
  EXPECT_EQ(session.view.query, 18) << "the keyboard stays in the field";
  desktop.key("shift+Return");
  desktop.key("shift+Return");
  session = saved([](const Session& s) { return s.view.query == 900; });
  EXPECT_EQ(session.view.query, 900) << "before the first one comes the last";
  EXPECT_TRUE(desktop.has("rail/token 900")) << "and the list goes there";
  EXPECT_FALSE(desktop.has("rail/token 100")) << "only rows that are seen are built";

  desktop.key("Escape");
  desktop.key("ctrl+z");
  desktop.key("ctrl+z");
  session = saved([](const Session& s) { return s.compute.text.size() < 100; });
  EXPECT_EQ(session.compute.text, "the dogs were loud");
}

TEST_F(LongText, AMegabyteIsPastedAndTheProgramStaysQuick) {
  // Few tokens, each of many letters: what is tried is the text, not the model.
  std::string text;
  while (text.size() < (1u << 20))
    text += std::string(511, static_cast<char>('a' + text.size() / 512 % 26)) + (text.size() / 512 % 7 == 0 ? "\n" : " ");
  Desktop& desktop = open(text);
  desktop.until("the card", [&] { return desktop.has("rail/text/short"); });
  desktop.click("menu/Edit");
  desktop.click("menu/edit/copy_sentence");
  desktop.click("rail/text/short");
  desktop.click("rail/sentence");
  desktop.key("ctrl+a");
  desktop.key("ctrl+v");
  desktop.until("the card again", [&] { return desktop.has("rail/text/edit"); });
  Session session = saved([&](const Session& s) { return s.compute.text.size() == text.size(); });
  EXPECT_EQ(session.compute.text, text);

  desktop.click("rail/text/edit");
  desktop.box("dialog/text");
  desktop.key("ctrl+End");
  desktop.type("loud");
  const long before = desktop.program().cpu_ticks();
  for (int i = 0; i < 20; ++i)
    desktop.key("Page_Up");
  RecordProperty("cpu_ticks_of_20_pages", std::to_string(desktop.program().cpu_ticks() - before));
  desktop.key("ctrl+Return");
  session = saved([&](const Session& s) { return s.compute.text.size() != text.size(); });
  EXPECT_EQ(session.compute.text, text + "loud");
}

TEST_F(LongText, EmojiAndRightToLeftTextAreKeptAndShown) {
  Desktop& desktop = open("the dogs were loud");
  const std::string text = "the 🙂 cat שלום עולם was مرحبا and 日本語 👩‍👩‍👧 e\u0301";
  std::ofstream(home_ / "signs.txt") << text;
  open_by_path(home_ / "signs.txt");
  desktop.until("its tokens", [&] { return desktop.has("rail/token 11"); });
  desktop.click("rail/token 2");
  const Session session = saved([](const Session& s) { return s.view.query == 2; });
  EXPECT_EQ(session.compute.text, text);
  desktop.click("rail/sentence");
  desktop.key("ctrl+End");
  desktop.key("BackSpace");
  desktop.key("BackSpace");
  EXPECT_EQ(saved([&](const Session& s) { return s.compute.text.size() + 3 == text.size(); }).compute.text,
            text.substr(0, text.size() - 3));
}

TEST_F(LongText, FilesThatAreNoTextAreToldAndChangeNothing) {
  Desktop& desktop = open("the dogs were loud");
  std::ofstream(home_ / "empty.txt").flush();
  std::ofstream(home_ / "latin.txt") << "caf\xE9";
  open_by_path(home_ / "empty.txt");
  desktop.until("a message", [&] { return desktop.has("toast 0"); });
  open_by_path(home_ / "latin.txt");
  desktop.until("another message", [&] { return desktop.has("toast 1"); });
  desktop.click("tab/Head");
  EXPECT_EQ(saved([](const Session& s) { return s.view.stage == StageView::kHead; }).compute.text, "the dogs were loud");
}

}  // namespace
}  // namespace headroom::ui
