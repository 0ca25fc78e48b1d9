// `headroom experiment`: the list, one small experiment in every form, and what wrong use is answered with.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/runs/experiment.h"
#include "tests/app/picture.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::StartsWith;

Finished run_small(const std::vector<std::string>& more) {
  std::vector<std::string> words{"experiment", "distil", "--tokens", "800", "--seeds", "2", "--seed", "3", "--threads", "1"};
  words.insert(words.end(), more.begin(), more.end());
  return run_program(words);
}

TEST(ExperimentCommand, ListsWhatThereIs) {
  const Finished text = run_program({"experiment"});
  EXPECT_EQ(text.status, 0) << text.err;
  const Finished json = run_program({"experiment", "--json"});
  const ordered_json list = ordered_json::parse(json.out);
  ASSERT_EQ(list.size(), experiments().size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const ExperimentInfo& info = experiments()[i];
    EXPECT_THAT(text.out, HasSubstr(info.id + " "));
    EXPECT_THAT(text.out, HasSubstr(info.sentence + "\n"));
    EXPECT_EQ(list[i]["id"], info.id);
    EXPECT_EQ(list[i]["sentence"], info.sentence);
    EXPECT_EQ(list[i]["tokens"], info.tokens);
  }
}

TEST(ExperimentCommand, JsonHasTheNumbersOfTheExperiment) {
  const TemporaryFolder folder;
  const Finished finished = run_small({"--json", "--out", (folder / "x.csv").string()});
  ASSERT_EQ(finished.status, 0) << finished.err;
  const ordered_json json = ordered_json::parse(finished.out);
  ThreadPool pool(1);
  const ExperimentResult expected = run_experiment({.id = "distil", .tokens = 800, .n_seeds = 2, .seed = 3},
                                                   std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets", pool);
  EXPECT_EQ(json["id"], "distil");
  EXPECT_EQ(json["tokens"], 800);
  EXPECT_EQ(json["seeds"], 2);
  EXPECT_EQ(json["seed"], 3);
  EXPECT_EQ(json["threads"], 1);
  EXPECT_GT(json["seconds"].get<double>(), 0);
  EXPECT_EQ(json["floor"].get<double>(), *expected.floor);
  EXPECT_EQ(json["conclusion"], expected.conclusion);
  EXPECT_EQ(json["rows"].get<std::vector<std::vector<std::string>>>(), expected.rows);
  ASSERT_EQ(json["series"].size(), expected.series.size());
  for (std::size_t s = 0; s < expected.series.size(); ++s) {
    EXPECT_EQ(json["series"][s]["name"], expected.series[s].name);
    ASSERT_EQ(json["series"][s]["points"].size(), expected.series[s].points.size());
    for (std::size_t i = 0; i < expected.series[s].points.size(); ++i) {
      const ordered_json& point = json["series"][s]["points"][i];
      EXPECT_EQ(point["label"], expected.series[s].points[i].label);
      EXPECT_EQ(point["mean"].get<double>(), expected.series[s].points[i].mean);
      EXPECT_EQ(point["lowest"].get<double>(), expected.series[s].points[i].lowest);
      EXPECT_EQ(point["highest"].get<double>(), expected.series[s].points[i].highest);
      EXPECT_EQ(point["seeds"], 2);
    }
  }
  EXPECT_EQ(file_bytes(folder / "x.csv"), experiment_csv(expected));
}

TEST(ExperimentCommand, TextCsvAndPictures) {
  const TemporaryFolder folder;
  const Finished text = run_small({"--out", (folder / "x.png").string()});
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, StartsWith("Can 6 heads learn from 12?\n800 tokens a model, 2 seeds from 3, on 1 thread: "));
  EXPECT_THAT(text.out, HasSubstr("\nstudent of the teacher  6 heads a layer, d_model 48"));
  EXPECT_THAT(text.out, HasSubstr("the grammar's floor is "));
  EXPECT_THAT(text.out, testing::EndsWith("\nWrote " + (folder / "x.png").string() + "\n"));
  EXPECT_EQ(read_png(folder / "x.png").width, 2560);
  const Finished csv = run_small({"--csv", "--theme", "light", "--out", (folder / "x.svg").string()});
  ASSERT_EQ(csv.status, 0) << csv.err;
  EXPECT_THAT(csv.out, StartsWith("model,series,parameters,"));
  EXPECT_THAT(csv.out, HasSubstr("\nseries,trained how,"));
  EXPECT_THAT(file_bytes(folder / "x.svg"), HasSubstr("<svg"));
}

TEST(ExperimentCommand, WrongUseIsOneSentence) {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{"head"}, "the nearest is \"heads\""},
      {{"heads", "--seeds", "0"}, "seeds"},
      {{"heads", "--seeds", "many"}, "many"},
      {{"heads", "--tokens", "0"}, "tokens"},
      {{"heads", "--threads", "0"}, "threads"},
      {{"heads", "--json", "--csv"}, "--json"},
      {{"heads", "--out", "x.docx"}, ".png, .svg, .pdf or .csv"},
      {{"--csv"}, "name the experiment"},
  };
  for (const auto& [arguments, word] : wrong) {
    std::vector<std::string> words{"experiment"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const Finished run = run_program(words);
    EXPECT_EQ(run.status, 2) << word;
    EXPECT_THAT(run.err, StartsWith("headroom: "));
    EXPECT_THAT(run.err, HasSubstr(word));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_EQ(run.out, "");
  }
  // Said before anything is trained.
  const Finished nowhere = run_program({"experiment", "heads", "--out", (folder / "no/such/x.png").string()});
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace headroom
