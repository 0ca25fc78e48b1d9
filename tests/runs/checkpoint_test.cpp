#include "core/runs/checkpoint.h"

#include <sys/resource.h>

#include <csignal>

#include "core/formats/model_folder.h"
#include "tests/runs/testing.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using test::assets;
using test::make;
using test::message_of;
using test::parameters_of;
using test::tiny_plan;
using ::testing::HasSubstr;

std::unique_ptr<Trainer> reopen(const fs::path& folder, ThreadPool& pool) {
  Checkpoint checkpoint = read_checkpoint(folder);
  TrainMaterial material = open_material(checkpoint.plan, assets());
  return continue_training(std::move(checkpoint), std::move(material), pool);
}

class EachKind : public ::testing::TestWithParam<const char*> {};

TEST_P(EachKind, GoesOnWithTheVeryBitsOfAnUnbrokenRun) {
  ThreadPool pool(2);
  TrainPlan plan = find_recipe(GetParam()).plan;
  plan.form.n_layers = 1;
  plan.form.d_model = 16;
  plan.form.n_heads = 2;
  plan.form.n_kv_heads = plan.form.n_kv_heads == 1 ? 1 : 2;
  plan.rows_per_step = 4;
  plan.accumulation = 2;
  plan.tokens = 20'000;
  const test::TemporaryFolder folder;
  Trainer unbroken = make(plan, pool), begun = make(plan, pool);
  for (int i = 0; i < 9; ++i)
    unbroken.step();
  for (int i = 0; i < 5; ++i)
    begun.step();
  save_checkpoint(begun, nullptr, folder / "run");
  const auto resumed = reopen(folder / "run", pool);
  EXPECT_EQ(resumed->steps(), 5);
  EXPECT_EQ(resumed->tokens(), begun.tokens());
  EXPECT_EQ(resumed->plan(), plan);
  EXPECT_EQ(resumed->config(), begun.config());
  for (int i = 0; i < 4; ++i)
    resumed->step();
  EXPECT_EQ(parameters_of(*resumed), parameters_of(unbroken));
  EXPECT_EQ(resumed->state().second_moments, unbroken.state().second_moments);
  EXPECT_EQ(resumed->tokens(), unbroken.tokens());
}
INSTANTIATE_TEST_SUITE_P(Checkpoint, EachKind,
                         ::testing::Values("agreement", "mqa", "learned", "masked", "translation", "induction"),
                         [](const auto& name) { return std::string(name.param); });

TEST(Checkpoint, IsAModelFolderWithAReadme) {
  ThreadPool pool(1);
  const test::TemporaryFolder folder;
  Trainer trainer = make(tiny_plan(), pool);
  trainer.step();
  const HeadReport report = trainer.measure();
  save_checkpoint(trainer, &report, folder / "run", "headroom train --out run");
  const LoadedModel loaded = load_model_folder(folder / "run");
  EXPECT_EQ(flatten(trainer.network().layout(), loaded.params), parameters_of(trainer));
  EXPECT_EQ(loaded.tokenizer->vocab_size(), trainer.material().vocab_size());
  const std::string readme = testing_files::bytes_of(folder / "run" / "README.md");
  EXPECT_THAT(readme, HasSubstr("headroom train --out run"));
  EXPECT_THAT(readme, HasSubstr("| role | best head |"));
  save_checkpoint(trainer, nullptr, folder / "run");  // its own folder is written anew
  EXPECT_EQ(folder.n_entries(), 1u);
}

TEST(Checkpoint, AModelAloneCannotGoOn) {
  ThreadPool pool(1);
  const test::TemporaryFolder folder;
  const Trainer trainer = make(tiny_plan(), pool);
  const ModelParams params = trainer.params();
  save_run({.plan = trainer.plan(),
            .material = trainer.material(),
            .params = params,
            .state = std::nullopt,
            .report = nullptr,
            .floats = SavedFloats::kFloat16,
            .command = {}},
           folder / "run");
  EXPECT_THAT(message_of([&] { read_checkpoint(folder / "run"); }), HasSubstr("its training cannot go on"));
  EXPECT_THAT(message_of([&] { read_checkpoint(folder / "nothing"); }), HasSubstr("its training cannot go on"));
}

TEST(Checkpoint, DamagedFilesAreRefusedInOneSentence) {
  ThreadPool pool(1);
  const test::TemporaryFolder folder;
  const Trainer trainer = make(tiny_plan(), pool);
  const fs::path run = folder / "run";
  const auto said = [&](const char* name, const std::string& bytes) {
    save_checkpoint(trainer, nullptr, run);
    std::ofstream(run / name, std::ios::binary) << bytes;
    const std::string message = message_of([&] { read_checkpoint(run); });
    fs::remove_all(run);
    return message;
  };
  EXPECT_THAT(said("training_state.json", "{"), HasSubstr("training_state.json"));
  EXPECT_THAT(said("training_state.json", R"({"version": 1})"), HasSubstr("the plan is missing"));
  EXPECT_THAT(said("training_state.json", R"({"version": 2, "plan": {}})"), HasSubstr("newer version"));
  EXPECT_THAT(said("training_state.json", R"({"version": 1, "plan": {}, "steps": -1})"), HasSubstr("steps is no whole number"));
  EXPECT_THAT(said("training_state.safetensors", "short"), HasSubstr("training_state.safetensors"));
}

TEST(Checkpoint, DataThatChangedSinceAreRefused) {
  ThreadPool pool(1);
  const test::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 3000; ++i)
    text += "word" + std::to_string(i % 50) + (i % 10 == 9 ? "\n" : " ");
  TrainPlan plan = tiny_plan();
  plan.data = {.kind = DataKind::kText, .path = folder.file("a.txt", text).string(), .vocabulary = 300};
  Trainer trainer = make(plan, pool);
  trainer.step();
  save_checkpoint(trainer, nullptr, folder / "run");
  EXPECT_EQ(reopen(folder / "run", pool)->steps(), 1);
  for (char& letter : text)
    letter = letter == 'w' ? 'b' : letter;
  folder.file("a.txt", text);
  EXPECT_THAT(message_of([&] { reopen(folder / "run", pool); }), HasSubstr("the data have changed"));
}

TEST(Checkpoint, AFullDiskLeavesTheOldOneWhole) {
  ThreadPool pool(1);
  const test::TemporaryFolder folder;
  Trainer trainer = make(tiny_plan(), pool);
  save_checkpoint(trainer, nullptr, folder / "run");
  for (int i = 0; i < 3; ++i)
    trainer.step();
  // No file may become longer than this: writing fails as on a full disk.
  rlimit old = {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {1000, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string said = message_of([&] { save_checkpoint(trainer, nullptr, folder / "run"); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(said, HasSubstr("cannot be written"));
  EXPECT_EQ(folder.n_entries(), 1u);
  EXPECT_EQ(reopen(folder / "run", pool)->steps(), 0);
}

TEST(Checkpoint, OtherFoldersAreNotReplaced) {
  ThreadPool pool(1);
  const test::TemporaryFolder folder;
  const Trainer trainer = make(tiny_plan(), pool);
  fs::create_directory(folder / "mine");
  std::ofstream(folder / "mine" / "letter.txt") << "dear";
  EXPECT_THAT(message_of([&] { save_checkpoint(trainer, nullptr, folder / "mine"); }), HasSubstr("choose another name"));
  EXPECT_EQ(testing_files::bytes_of(folder / "mine" / "letter.txt"), "dear");
}

}  // namespace
}  // namespace headroom
