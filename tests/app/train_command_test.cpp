// `headroom train`: the JSON that programs read, exact resuming, and what wrong uses are answered with. No time is asserted.

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/app/run_program.h"

namespace headroom {
namespace {

using nlohmann::ordered_json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string one_line(const Finished& run) {
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  return run.err;
}

Finished train(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"train", "--threads", "2"});
  return run_program(arguments);
}

TEST(TrainCommand, PrintsTheNamesThatProgramsRead) {
  const TemporaryFolder folder;
  const std::string out = (folder / "run").string();
  const Finished run = train({"--recipe", "induction", "--tokens", "3000", "--seed", "4", "--out", out, "--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, IsEmpty());
  const ordered_json json = ordered_json::parse(run.out);
  EXPECT_EQ(json["recipe"], "induction");
  EXPECT_EQ(json["seed"], 4);
  EXPECT_EQ(json["threads"], 2);
  EXPECT_GE(json["tokens"].get<int>(), 3000);
  EXPECT_GT(json["seconds"].get<double>(), 0);
  EXPECT_GT(json["tokens_per_second"].get<double>(), 0);
  EXPECT_GT(json["loss"].get<double>(), json["floor"].get<double>());
  EXPECT_GT(json["parameters"].get<int>(), 1000);
  for (const char* name : {"score", "baseline", "head", "threshold", "passed"})
    EXPECT_TRUE(json["roles"]["induction"].contains(name)) << name;
  for (const char* name : {"accuracy", "chance", "cases"})
    EXPECT_TRUE(json["behaviours"]["copying"].contains(name)) << name;
  EXPECT_EQ(json["folder"], out);
  EXPECT_TRUE(std::filesystem::exists(folder / "run" / "training_state.safetensors"));
  EXPECT_THAT(file_bytes(folder / "run" / "README.md"), HasSubstr("headroom train --recipe induction"));
}

TEST(TrainCommand, GoesOnWithTheVeryBitsOfAnUnbrokenRun) {
  const TemporaryFolder folder;
  const std::string whole = (folder / "whole").string(), parts = (folder / "parts").string();
  // The length of the plan decides the learning rate, so both have the same; the first part ends early for want of time.
  write_bytes(folder / "plan.json", R"({"recipe": "induction", "tokens": 30000, "final_share": 1})");
  const std::string plan = (folder / "plan.json").string();
  ASSERT_EQ(train({"--config", plan, "--out", whole}).status, 0);
  ASSERT_EQ(train({"--config", plan, "--tokens", "15360", "--out", parts}).status, 0);
  ASSERT_EQ(train({"--resume", parts, "--tokens", "30000"}).status, 0);
  EXPECT_EQ(file_bytes(folder / "whole" / "training_state.safetensors"),
            file_bytes(folder / "parts" / "training_state.safetensors"));
}

TEST(TrainCommand, TheTableSaysWhichHeadsAreNamed) {
  const TemporaryFolder folder;
  const Finished run = train({"--seconds", "0.2", "--model-only", "--float16", "--out", (folder / "run").string()});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("best head"), HasSubstr("predicate → subject"), HasSubstr("agreement across a distractor"),
                             HasSubstr("floor")));
  EXPECT_FALSE(std::filesystem::exists(folder / "run" / "training_state.json"));
}

TEST(TrainCommand, WrongUsesAreAnsweredInOneSentence) {
  const TemporaryFolder folder;
  const std::string out = (folder / "run").string();
  const auto refused = [&](std::vector<std::string> arguments, int status) {
    const Finished run = train(std::move(arguments));
    EXPECT_EQ(run.status, status) << run.err;
    EXPECT_THAT(run.out, IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(out));
    return one_line(run);
  };
  EXPECT_THAT(refused({"--recipe", "agreemnet", "--out", out}, 2), HasSubstr("the nearest is \"agreement\""));
  EXPECT_THAT(refused({"--seconds", "0", "--out", out}, 2), HasSubstr("must be above 0"));
  EXPECT_THAT(refused({"--tokens", "0", "--out", out}, 2), HasSubstr("it should be a number of tokens"));
  EXPECT_THAT(refused({"--seconds", "1", "--tokens", "5", "--out", out}, 2), HasSubstr("excludes"));
  EXPECT_THAT(refused({"--recipe", "agreement"}, 2), HasSubstr("--out DIR is needed"));
  EXPECT_THAT(refused({"--set", "form.n_head=2", "--out", out}, 2), HasSubstr("the nearest is \"form.n_heads\""));
  EXPECT_THAT(refused({"--set", "tokens", "--out", out}, 2), HasSubstr("KEY=VALUE"));
  EXPECT_THAT(refused({"--resume", out}, 1), HasSubstr("its training cannot go on"));
  EXPECT_THAT(refused({"--text-file", (folder / "none.txt").string(), "--out", out}, 1), HasSubstr("none.txt"));
  EXPECT_THAT(refused({"--out", "/proc/headroom/run"}, 1), HasSubstr("cannot be written"));
}

TEST(TrainCommand, AFolderOfOtherFilesIsLeftAlone) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "mine");
  write_bytes(folder / "mine" / "letter.txt", "dear");
  const Finished run = train({"--tokens", "1k", "--out", (folder / "mine").string()});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(one_line(run), HasSubstr("choose another name"));
  EXPECT_EQ(file_bytes(folder / "mine" / "letter.txt"), "dear");
}

TEST(TrainCommand, DivergenceSaysWhatToLowerAndSavesTheLastGoodState) {
  const TemporaryFolder folder;
  const Finished run = train({"--recipe", "induction", "--set", "learning_rate=1", "--set", "warmup_steps=0", "--set",
                              "clip_norm=0", "--tokens", "2000000", "--out", (folder / "run").string()});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("lower the learning rate"), HasSubstr("last good state")));
  EXPECT_TRUE(std::filesystem::exists(folder / "run" / "config.json"));
}

TEST(TrainCommand, HelpHasExamplesAndTheListHasTheRecipes) {
  EXPECT_THAT(run_program({"train", "--help"}).out, HasSubstr("headroom train --recipe induction --seconds 3"));
  EXPECT_THAT(run_program({"train", "--list"}).out, AllOf(HasSubstr("agreement"), HasSubstr("bundled-base")));
}

}  // namespace
}  // namespace headroom
