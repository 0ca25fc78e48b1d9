#include "app/window/program.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <thread>

#include "app/window/open_path.h"
#include "app/window/settings.h"
#include "core/session/session_json.h"
#include "core/tensor/error.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kAssets = HEADROOM_SOURCE_DIR "/assets";

/// A program without a window, with folders of its own and a clock that the test moves.
struct Harness {
  TemporaryFolder folder;
  UserFolders folders{.config = folder / "config", .state = folder / "state", .cache = folder / "cache"};
  std::unique_ptr<Program> program;
  double now = 0;

  explicit Harness(bool starts = true) {
    if (starts) start();
  }
  ProgramOptions options() const {
    ProgramOptions made;
    made.engine.assets = kAssets;
    made.engine.measures_held_out_loss = false;
    made.folders = folders;
    return made;
  }
  void start() { start(options()); }
  void start(ProgramOptions made) {
    program.reset();
    program = std::make_unique<Program>(std::move(made));
  }
  const AppModel& model() const { return program->model(); }
  const Session& session() const { return model().history.current(); }
  void act(Action action) {
    Outbox outbox;
    outbox.actions.push_back({std::move(action), {}});
    program->apply(outbox);
  }
  void command(Command command) {
    Outbox outbox;
    outbox.commands.push_back(std::move(command));
    program->apply(outbox);
  }
  /// Lets other threads work until `is_so`, at most 20 seconds.
  bool until(const std::function<bool()>& is_so) {
    for (int i = 0; i < 4000; ++i) {
      program->update(now);
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  bool until_computed() {
    return until([&] { return model().snapshot && model().snapshot->compute == session().compute; });
  }
  bool has_toast(const std::string& part) const {
    for (const Toast& toast : model().toasts) {
      if (toast.text.find(part) != std::string::npos) return true;
    }
    return false;
  }
};

TEST(Program, OpensOnTheBundledModel) {
  Harness h;
  EXPECT_GE(h.model().bundled.size(), 7U);
  ASSERT_TRUE(h.until_computed());
  EXPECT_EQ(h.model().snapshot->tokens[1].text, "the");
  EXPECT_THAT(h.model().backend_text, HasSubstr("CPU"));
  EXPECT_EQ(h.model().timing.cpu_ms.size(), 1U);
  EXPECT_EQ(h.model().failure, "");
  EXPECT_FALSE(h.model().is_modified);
}

TEST(Program, AViewChangeComputesNothing) {
  Harness h;
  ASSERT_TRUE(h.until_computed());
  const auto before = h.model().snapshot;
  h.act(ColorMapSet{ColorMapName::kMagma});
  EXPECT_TRUE(h.model().is_modified);
  h.act(KvHeadsSet{4});
  ASSERT_TRUE(h.until_computed());
  EXPECT_EQ(h.model().snapshot->id, before->id + 1) << "one request for the one change that computes";
}

TEST(Program, UndoAndRedoComputeWhatTheyBringBack) {
  Harness h;
  h.act(TextEdited{"the dog was fluffy"});
  h.act(HeadPruneToggled{{1, 2}});
  ASSERT_TRUE(h.until_computed());
  EXPECT_EQ(h.session().compute.pruned.size(), 1U);
  h.command(Undo{});
  ASSERT_TRUE(h.until_computed());
  EXPECT_TRUE(h.session().compute.pruned.empty());
  EXPECT_EQ(h.session().compute.text, "the dog was fluffy");
  h.command(Redo{});
  ASSERT_TRUE(h.until_computed());
  EXPECT_EQ(h.model().snapshot->compute.pruned.size(), 1U);
}

TEST(Program, SavesAndOpensSessionsAndRemembersThem) {
  Harness h;
  h.act(TextEdited{"the cat was small"});
  h.command(SaveSession{h.folder / "mine"});
  ASSERT_TRUE(h.until([&] { return !h.model().is_modified; }));
  const fs::path file = h.folder / "mine.headroom.json";
  EXPECT_EQ(load_session(file).session, h.session());
  EXPECT_EQ(h.model().session_path, file);
  ASSERT_EQ(h.model().recent.size(), 1U);
  EXPECT_EQ(h.model().recent[0].path, file);

  h.command(NewSession{});
  EXPECT_EQ(h.session(), Session{});
  EXPECT_TRUE(h.model().session_path.empty());
  h.command(OpenPath{file});
  ASSERT_TRUE(h.until([&] { return h.session().compute.text == "the cat was small"; }));
  EXPECT_EQ(h.model().session_path, file);
  EXPECT_FALSE(h.model().is_modified);

  h.act(TextEdited{"the cat was big"});
  h.command(SaveSession{});
  ASSERT_TRUE(h.until([&] { return !h.model().is_modified; }));
  EXPECT_EQ(load_session(file).session.compute.text, "the cat was big");

  h.program->close();
  h.start();
  ASSERT_TRUE(h.until([&] { return !h.model().recent.empty(); }));
  EXPECT_EQ(h.model().recent[0].path, file);
}

TEST(Program, OpensModelFoldersAndTheirFiles) {
  Harness h;
  fs::copy(kAssets / "models/grammar-gqa", h.folder / "copied");
  h.command(OpenPath{h.folder / "copied/config.json"});
  ASSERT_TRUE(h.until([&] { return h.session().compute.model_source == ModelSource::kFolder; }));
  EXPECT_EQ(h.session().compute.model, (h.folder / "copied").string());
  EXPECT_EQ(h.session().compute.trained.n_kv_heads, 2);
  ASSERT_TRUE(h.until_computed());
  h.command(OpenPath{kAssets / "models/grammar-base/"});
  ASSERT_TRUE(h.until([&] { return h.session().compute.model_source == ModelSource::kBundled; }));
  EXPECT_EQ(h.session().compute.model, "grammar-base");
}

TEST(Program, ATextFileBecomesTheTextInOneStep) {
  Harness h;
  ASSERT_TRUE(h.until_computed());
  write_bytes(h.folder / "story.txt", "\xEF\xBB\xBFthe dog was\r\nfluffy");
  h.command(OpenPath{h.folder / "story.txt"});
  ASSERT_TRUE(h.until([&] { return h.session().compute.text == "the dog was\nfluffy"; }));
  EXPECT_TRUE(h.model().session_path.empty()) << "Save must not write over the text";
  EXPECT_TRUE(h.model().is_modified);
  EXPECT_EQ(h.model().recent.at(0).path, h.folder / "story.txt");
  ASSERT_TRUE(h.until_computed());
  EXPECT_EQ(h.model().snapshot->tokens.back().text, "fluffy");
  h.command(Undo{});
  EXPECT_EQ(h.session(), Session{});
}

TEST(Program, WhatCannotBeOpenedIsToldAndNothingChanges) {
  Harness h;
  ASSERT_TRUE(h.until_computed());
  const Session before = h.session();
  write_bytes(h.folder / "broken.headroom.json", "{\"version\": 1,");
  write_bytes(h.folder / "latin.txt", "caf\xE9");
  write_bytes(h.folder / "picture.txt", std::string("GIF\0", 4));
  write_bytes(h.folder / "blank.txt", " \n");
  fs::create_directories(h.folder / "folder.txt");
  fs::create_directories(h.folder / "empty");
  for (const auto& path : {h.folder / "none", h.folder / "broken.headroom.json", h.folder / "empty", h.folder / "latin.txt",
                           h.folder / "picture.txt", h.folder / "blank.txt", h.folder / "folder.txt"}) {
    h.command(OpenPath{path});
    ASSERT_TRUE(h.until([&] { return h.has_toast(path.filename().string()); })) << path;
  }
  EXPECT_EQ(h.session(), before);
}

TEST(Program, ARemovedModelFolderLeavesTheLastPicture) {
  Harness h;
  fs::copy(kAssets / "models/grammar-gqa", h.folder / "copied");
  ASSERT_TRUE(h.until_computed());
  const auto before = h.model().snapshot;
  const ModelShape shape = read_model_shape(h.folder / "copied");
  fs::remove_all(h.folder / "copied");
  h.act(ModelOpened{ModelSource::kFolder, (h.folder / "copied").string(), shape});
  ASSERT_TRUE(h.until([&] { return !h.model().failure.empty(); }));
  EXPECT_EQ(h.model().snapshot, before);
  h.command(Undo{});
  ASSERT_TRUE(h.until([&] { return h.model().failure.empty(); })) << "the next good picture takes the sentence away";
}

TEST(Program, TheLastRunsSessionCanBeReopened) {
  Harness h;
  h.act(TextEdited{"the dogs were loud"});
  h.program->close();
  h.start();
  ASSERT_TRUE(h.until([&] { return !h.model().last_session.empty(); }));
  EXPECT_EQ(h.session(), Session{});
  h.command(OpenPath{h.model().last_session});
  ASSERT_TRUE(h.until([&] { return h.session().compute.text == "the dogs were loud"; }));
  EXPECT_TRUE(h.model().session_path.empty()) << "Save must ask for a name of its own";
  EXPECT_TRUE(h.model().recent.empty());
}

TEST(Program, AChangeIsSavedByItselfAfterHalfAMinute) {
  Harness h;
  h.now = 10;
  h.program->update(h.now);
  h.act(TextEdited{"the cats were loud"});
  EXPECT_NEAR(h.program->seconds_to_next(), 30, 1);
  const fs::path autosave = h.folders.state / "autosave.headroom.json";
  EXPECT_FALSE(fs::exists(autosave));
  h.now = 41;
  ASSERT_TRUE(h.until([&] { return fs::exists(autosave); }));
  EXPECT_EQ(load_session(autosave).session.compute.text, "the cats were loud");
}

TEST(Program, SettingsOutliveIt) {
  Harness h;
  Settings settings = h.model().settings;
  settings.theme = ThemeName::kLight;
  settings.ui_scale = 9;
  h.command(ChangeSettings{settings});
  EXPECT_EQ(h.model().settings.ui_scale, 4) << "brought into range";
  h.program->set_monitor_scale(2);
  EXPECT_EQ(h.model().scale, 4);
  h.program->set_monitor_scale(std::nan(""));
  EXPECT_EQ(h.model().scale, 4);
  h.program->close();
  h.start();
  EXPECT_EQ(h.model().settings.theme, ThemeName::kLight);
  EXPECT_EQ(h.model().settings.ui_scale, 4);
}

TEST(Program, FoldersThatCannotBeWrittenAreToldOnce) {
  Harness h(false);
  write_bytes(h.folder / "file", "in the way");
  h.folders = {.config = h.folder / "file/config", .state = h.folder / "file/state", .cache = {}};
  h.start();
  Settings settings = h.model().settings;
  settings.rail_width += 1;
  h.command(ChangeSettings{settings});
  h.now = 2;
  ASSERT_TRUE(h.until([&] { return h.has_toast("cannot be made"); }));
  h.now = 60;
  h.program->update(h.now);
  ASSERT_FALSE(h.has_toast("cannot be made")) << "it fades";
  settings.rail_width += 1;
  h.command(ChangeSettings{settings});
  h.now = 62;
  for (int i = 0; i < 20; ++i) {
    h.program->update(h.now);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_FALSE(h.has_toast("cannot be made")) << "told again";
}

TEST(Program, ToastsFadeAndCanBeDismissed) {
  Harness h;
  h.program->update(5);
  h.program->tell(Toast::Kind::kInfo, "one");
  h.program->tell(Toast::Kind::kInfo, "one");
  h.program->tell(Toast::Kind::kError, "two");
  ASSERT_EQ(h.model().toasts.size(), 2U) << "the same sentence twice is one toast";
  EXPECT_GT(h.program->seconds_to_next(), 0);
  EXPECT_LT(h.program->seconds_to_next(), 30);
  h.program->update(5 + h.program->seconds_to_next());
  ASSERT_EQ(h.model().toasts.size(), 1U);
  EXPECT_EQ(h.model().toasts[0].text, "two");
  h.command(DismissToast{0});
  EXPECT_TRUE(h.model().toasts.empty());
  h.command(DismissToast{7});
}

TEST(Program, ExportsAreWrittenOrToldWhyNot) {
  Harness h;
  ASSERT_TRUE(h.until_computed());
  const fs::path svg = h.folder / "heads.svg";
  h.command(ExportFigure{.view = "heads", .path = svg, .width = 800, .height = 600});
  ASSERT_TRUE(h.until([&] { return fs::exists(svg) && h.has_toast("Exported"); }));
  EXPECT_THAT(file_bytes(svg), HasSubstr("<svg"));
  h.command(ExportFigure{.view = "heads", .path = h.folder / "heads.gif"});
  EXPECT_TRUE(h.has_toast(".png, .svg or .pdf"));
  h.command(ExportFigure{.view = "heads", .path = h.folder / "no/such/folder/heads.png"});
  ASSERT_TRUE(h.until([&] { return h.has_toast("no/such/folder"); }));
  h.command(ExportFigure{.view = "window", .path = h.folder / "window.png"});
  EXPECT_EQ(h.program->take_effects().window_exports.size(), 1U) << "only the window's owner can draw that";
}

TEST(OpenPath, HomeIsExpanded) {
  const char* home = std::getenv("HOME");
  if (home == nullptr) GTEST_SKIP() << "HOME is not set";
  EXPECT_EQ(expand_home("~/a/b"), fs::path(home) / "a/b");
  EXPECT_EQ(expand_home("~"), fs::path(home));
  EXPECT_EQ(expand_home("/~/a"), "/~/a");
  EXPECT_EQ(expand_home("~ada/x"), "~ada/x");
}

}  // namespace
}  // namespace headroom
