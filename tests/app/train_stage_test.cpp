// The Train stage in the program: trained, paused, changed, used, saved, kept and offered again; failures as one sentence.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "app/views/commands.h"
#include "app/window/program.h"
#include "core/runs/frame.h"
#include "core/runs/plan.h"
#include "core/runs/report.h"
#include "tests/app/picture.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kAssets = HEADROOM_SOURCE_DIR "/assets";

/// A program without a window, on its Train stage.
struct Harness {
  std::unique_ptr<Program> program;

  explicit Harness(const fs::path& home = {}, std::int64_t tokens = 20'000'000) {
    ProgramOptions options;
    options.engine.assets = kAssets;
    options.engine.n_threads = 2;
    options.engine.measures_held_out_loss = false;
    if (!home.empty())
      options.folders = {.config = home / "config", .state = home / "state", .cache = home / "cache", .data = home / "data"};
    Session session;
    session.view.stage = StageView::kTrain;
    session.train.tokens = tokens;
    options.session = reduce({}, SessionReplaced{session}).session;
    program = std::make_unique<Program>(std::move(options));
  }
  const AppModel& model() const { return program->model(); }
  const RunReport* report() const { return model().training.report(); }
  RunPhase phase() const { return report() == nullptr ? RunPhase::kIdle : report()->phase; }
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
  void order(TrainOrder order) { command(OrderTraining{order}); }
  bool until(const std::function<bool()>& is_so) {
    for (int i = 0; i < 6000; ++i) {
      program->update(0);
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  bool has_toast(const std::string& part) const {
    for (const Toast& toast : model().toasts) {
      if (toast.text.find(part) != std::string::npos) return true;
    }
    return false;
  }
  bool trains_beyond(std::int64_t tokens) {
    return until([&] { return report() != nullptr && report()->tokens > tokens; });
  }
};

TEST(TrainStage, TrainsWhenAskedPausesAndGoesOn) {
  Harness harness;
  harness.program->update(0);
  EXPECT_EQ(harness.report(), nullptr) << "nothing trains unasked";
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.trains_beyond(0));
  EXPECT_EQ(harness.report()->plan, harness.session().train);
  ASSERT_TRUE(harness.until([&] { return harness.model().training.input.frame != nullptr; })) << "the watched sentence is drawn";
  EXPECT_EQ(harness.model().training.input.frame->sentence, harness.session().train_view.sentence.str());
  harness.order(TrainOrder::kPause);
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kPaused; }));
  const std::int64_t paused = harness.report()->tokens;
  harness.order(TrainOrder::kStep);
  ASSERT_TRUE(harness.trains_beyond(paused));
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kPaused; }));
  EXPECT_EQ(harness.report()->tokens, paused + tokens_per_step(harness.session().train));
  harness.order(TrainOrder::kResume);
  ASSERT_TRUE(harness.trains_beyond(paused + tokens_per_step(harness.session().train)));
  harness.order(TrainOrder::kStop);
  EXPECT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kStopped; }));
}

TEST(TrainStage, LooksBackAtKeptStatesAndComparesThem) {
  Harness harness({}, 30'000);
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kFinished; }));
  ASSERT_GE(harness.report()->kept.size(), 2u);
  const std::int64_t first = harness.report()->kept.front(), last = harness.report()->kept.back();
  harness.act(TrainTimeSet{first});
  ASSERT_TRUE(harness.until([&] { return harness.model().training.input.frame->tokens == first; }));
  EXPECT_FALSE(harness.model().training.input.frame->is_live);
  EXPECT_EQ(harness.model().training.input.compared, nullptr);
  harness.act(TrainComparedSet{last});
  ASSERT_TRUE(harness.until([&] { return harness.model().training.input.compared != nullptr; }));
  EXPECT_EQ(harness.model().training.input.compared->tokens, last);
  harness.act(TrainComparedSet{});
  EXPECT_TRUE(harness.until([&] { return harness.model().training.input.compared == nullptr; }));
  harness.act(TrainTimeSet{});
  EXPECT_TRUE(harness.until([&] { return harness.model().training.input.frame->is_live; }));
  // The chosen head's removal is measured.
  EXPECT_FALSE(harness.report()->ablation);
  harness.act(TrainHeadSelected{{1, 2}});
  ASSERT_TRUE(harness.until([&] { return harness.report()->ablation.has_value(); }));
  EXPECT_EQ(harness.report()->ablation->head, (HeadRef{1, 2}));
}

TEST(TrainStage, NoFramesAreMadeWhileNobodyLooks) {
  Harness harness;
  harness.act(StageViewSet{StageView::kHeads});
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.trains_beyond(2000));
  EXPECT_EQ(harness.model().training.input.frame, nullptr);
  harness.act(StageViewSet{StageView::kTrain});
  EXPECT_TRUE(harness.until([&] { return harness.model().training.input.frame != nullptr; }));
}

TEST(TrainStage, AnotherPlanStopsTheRunUntilItIsTakenBack) {
  Harness harness;
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.trains_beyond(0));
  TrainPlan other = harness.session().train;
  other.form.n_heads = 2;
  harness.act(TrainPlanSet{other});
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kPaused; }));
  const std::uint64_t run = harness.report()->run;
  const std::int64_t waits = harness.report()->tokens;
  EXPECT_FALSE(harness.report()->reports.empty()) << "what was measured stays";
  harness.command(Undo{});
  EXPECT_EQ(harness.session().train, harness.report()->plan);
  harness.order(TrainOrder::kResume);
  ASSERT_TRUE(harness.trains_beyond(waits));
  EXPECT_EQ(harness.report()->run, run);
  // Started, the new plan takes its place.
  harness.act(TrainPlanSet{other});
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.until([&] { return harness.report()->run != run && harness.report()->steps > 0; }));
  EXPECT_EQ(harness.report()->plan.form.n_heads, 2);
}

TEST(TrainStage, IsUsedInAllViewsInOneStepOfUndo) {
  const TemporaryFolder home;
  Harness harness(home.path(), 8'000);
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kFinished; }));
  const Session before = harness.session();
  harness.command(UseTrained{});
  ASSERT_TRUE(harness.until([&] { return harness.session().view.stage == StageView::kHeads; }));
  const Compute& compute = harness.session().compute;
  EXPECT_EQ(compute.model_source, ModelSource::kFolder);
  EXPECT_THAT(compute.model, HasSubstr((home.path() / "data" / "models" / "agreement-8").string()));
  EXPECT_EQ(compute.trained.n_heads, 4);
  EXPECT_EQ(compute.text, before.train_view.sentence);
  ASSERT_TRUE(harness.until([&] { return harness.model().snapshot && harness.model().snapshot->compute.model == compute.model; }));
  harness.command(Undo{});
  EXPECT_EQ(harness.session(), before);
}

TEST(TrainStage, SavesAFolderAndThePlan) {
  const TemporaryFolder home;
  Harness harness(home.path(), 8'000);
  harness.command(SaveTrained{home / "early"});
  EXPECT_TRUE(harness.has_toast("nothing has been trained"));
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kFinished; }));
  harness.command(SaveTrained{home / "model"});
  ASSERT_TRUE(harness.until([&] { return harness.has_toast("Saved the model"); }));
  EXPECT_TRUE(fs::exists(home / "model" / "model.safetensors"));
  harness.command(SaveTrainPlan{home / "plan.json"});
  ASSERT_TRUE(harness.until([&] { return harness.has_toast("headroom train --config"); }));
  EXPECT_EQ(load_plan(home / "plan.json").plan, harness.session().train);
  write_bytes(home / "file", "x");
  harness.command(SaveTrained{home / "file" / "model"});
  EXPECT_TRUE(harness.until([&] { return harness.has_toast("file"); }));
}

TEST(TrainStage, FailuresAreToldOnceAndTheProgramStaysOpen) {
  const TemporaryFolder home;
  Harness harness;
  TrainPlan plan = harness.session().train;
  plan.data.kind = DataKind::kText;
  plan.data.path = (home / "no such.txt").string();
  harness.act(TrainPlanSet{plan});
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kFailed; }));
  EXPECT_TRUE(harness.has_toast("no such.txt"));
  EXPECT_THAT(harness.report()->failure, HasSubstr("no such.txt"));
  harness.act(RecipeChosen{"agreement"});
  harness.order(TrainOrder::kStart);
  EXPECT_TRUE(harness.trains_beyond(0)) << "the next run is none the worse";
}

TEST(TrainStage, HealsTheModelOfTheOtherViews) {
  const TemporaryFolder home;
  Harness harness(home.path(), 8'000);
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kFinished; }));
  harness.command(UseTrained{});
  ASSERT_TRUE(harness.until([&] { return harness.session().view.stage == StageView::kHeads; }));
  harness.act(KvHeadsSet{2});
  harness.act(HeadPruneToggled{{1, 0}});
  ASSERT_TRUE(
      harness.until([&] { return harness.model().snapshot && harness.model().snapshot->compute == harness.session().compute; }));
  harness.command(HealModel{});
  ASSERT_TRUE(harness.until([&] { return harness.session().view.stage == StageView::kTrain; }));
  const TrainPlan& plan = harness.session().train;
  EXPECT_EQ(plan.start.from, StartFrom::kModel);
  EXPECT_EQ(plan.start.model, harness.session().compute.model);
  EXPECT_EQ(plan.start.pruned, (std::vector<HeadRef>{{1, 0}}));
  EXPECT_EQ(plan.form.n_kv_heads, 2);
  TrainPlan little = plan;
  little.tokens = 4'000;
  harness.act(TrainPlanSet{little});
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.until([&] { return harness.phase() == RunPhase::kFinished && harness.report()->heal; }))
      << (harness.report() ? harness.report()->failure : "");
  EXPECT_GT(harness.report()->heal->loss_before, 0);
  EXPECT_GT(harness.report()->heal->loss_after, 0);
}

TEST(TrainStage, ClosingAsksOnceAndKeepsTheRunForTheNextTime) {
  const TemporaryFolder home;
  TrainPlan plan;
  std::int64_t kept_tokens = 0;
  {
    Harness harness(home.path());
    EXPECT_TRUE(harness.program->may_close()) << "nothing trains";
    harness.order(TrainOrder::kStart);
    ASSERT_TRUE(harness.trains_beyond(0));
    EXPECT_FALSE(harness.program->may_close());
    EXPECT_TRUE(harness.model().training.asks_to_close);
    harness.command(AnswerClosing{ClosingAnswer::kGoOn});
    EXPECT_FALSE(harness.model().training.asks_to_close);
    harness.command(Quit{});
    EXPECT_FALSE(harness.program->take_effects().quits) << "asked first";
    harness.command(AnswerClosing{ClosingAnswer::kKeepAndQuit});
    ASSERT_TRUE(harness.until([&] { return harness.program->take_effects().quits; }));
    EXPECT_TRUE(harness.program->may_close()) << "asked once";
    plan = harness.report()->plan;
    kept_tokens = harness.report()->tokens;
    harness.program->close();
  }
  EXPECT_TRUE(fs::exists(home / "state" / "training" / "training_state.json"));
  EXPECT_FALSE(fs::exists(home / "state" / "training.new"));
  Harness next(home.path(), 9'000);
  ASSERT_TRUE(next.until([&] { return !next.model().training.kept_run.empty(); }));
  EXPECT_TRUE(next.has_toast("was kept"));
  next.command(AnswerKeptRun{KeptRunAnswer::kGoOn});
  ASSERT_TRUE(next.until([&] { return next.phase() == RunPhase::kPaused; }));
  EXPECT_EQ(next.report()->tokens, kept_tokens);
  EXPECT_EQ(next.session().train, plan) << "its plan comes with it";
  next.order(TrainOrder::kResume);
  EXPECT_TRUE(next.trains_beyond(kept_tokens));
  next.command(AnswerClosing{ClosingAnswer::kQuit});
  EXPECT_TRUE(next.program->take_effects().quits);
}

TEST(TrainStage, AClosedProgramThatNobodyAskedKeepsItsRun) {
  const TemporaryFolder home;
  {
    Harness harness(home.path());
    harness.order(TrainOrder::kStart);
    ASSERT_TRUE(harness.trains_beyond(0));
    harness.program->close();  // as after a signal
  }
  EXPECT_TRUE(fs::exists(home / "state" / "training" / "training_state.json"));
  Harness next(home.path());
  ASSERT_TRUE(next.until([&] { return !next.model().training.kept_run.empty(); }));
  next.command(AnswerKeptRun{KeptRunAnswer::kForget});
  EXPECT_TRUE(next.model().training.kept_run.empty());
  EXPECT_TRUE(next.until([&] { return !fs::exists(home / "state" / "training"); }));
}

TEST(TrainStage, WithoutFoldersKeepingSaysSo) {
  Harness harness;
  harness.order(TrainOrder::kStart);
  ASSERT_TRUE(harness.trains_beyond(0));
  harness.command(AnswerClosing{ClosingAnswer::kKeepAndQuit});
  EXPECT_TRUE(harness.has_toast("XDG_STATE_HOME"));
  EXPECT_FALSE(harness.program->take_effects().quits);
  harness.command(UseTrained{});
  EXPECT_TRUE(harness.has_toast("XDG_DATA_HOME"));
}

TEST(TrainStage, EveryCommandOfTrainingIsInTheList) {
  for (const char* id : {"view/train", "train/play", "train/first", "train/live", "train/stop", "train/reset", "train/use",
                         "train/heal", "train/copy_command", "train/save_plan"})
    EXPECT_NE(find_command(id), nullptr) << id;
  EXPECT_STREQ(chord_text(find_command("view/train")->keys), "4");
  EXPECT_STREQ(chord_text(find_command("view/speed")->keys), "5");
  EXPECT_STREQ(chord_text(find_command("train/play")->keys), "Space");
}

}  // namespace
}  // namespace headroom
