// `headroom bench`: the rows that programs read, and what a wrong name is answered with. No time is asserted.

#include <nlohmann/json.hpp>

#include "tests/app/run_program.h"

namespace headroom {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

ordered_json rows_of(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"bench", "--json", "--seconds", "0.001", "--rounds", "1"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const Finished run = run_program(words);
  EXPECT_EQ(run.status, 0) << run.err;
  const ordered_json rows = ordered_json::parse(run.out);
  EXPECT_TRUE(rows.is_array());
  return rows;
}

TEST(BenchCommand, RowsBeginWithTheKeysThatProgramsRead) {
  const ordered_json rows = rows_of({"--case", "bert-128", "--case", "gemm-128", "--backend", "flash,naive", "--threads", "1"});
  ASSERT_EQ(rows.size(), 4u);
  const std::vector<std::string> first{"case", "backend", "threads", "ms", "gflops", "percent_of_limit", "limit"};
  for (const auto& row : rows) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : row.items())
      keys.push_back(key);
    ASSERT_GE(keys.size(), first.size());
    EXPECT_TRUE(std::equal(first.begin(), first.end(), keys.begin())) << row.dump();
    EXPECT_TRUE(row["case"].is_string() && row["backend"].is_string() && row["limit"].is_string());
    EXPECT_EQ(row["threads"], 1);
    for (const char* number : {"ms", "gflops", "percent_of_limit", "limit_value"}) {
      ASSERT_TRUE(row[number].is_number()) << number;
      EXPECT_GT(row[number].get<double>(), 0) << number;
    }
    EXPECT_EQ(row["limit"], "FMA peak");
    EXPECT_EQ(row["limit_unit"], "GFLOP/s");
    EXPECT_EQ(row["rounds"], 1);
    EXPECT_TRUE(row["gbps"].is_null());
    for (const char* fact : {"commit", "compiler", "cpu", "simd", "gpu"}) {
      ASSERT_TRUE(row[fact].is_string()) << fact;
      EXPECT_NE(row[fact], "") << fact;
    }
  }
  EXPECT_EQ(rows[0]["case"], "bert-128");
  EXPECT_EQ(rows[1]["backend"], "naive");
  EXPECT_EQ(rows[2]["case"], "gemm-128");
}

TEST(BenchCommand, TypingIsHeldAgainstItsTarget) {
  const ordered_json rows = rows_of({"--case", "typing"});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["case"], "typing");
  EXPECT_EQ(rows[0]["limit"], "target");
  EXPECT_EQ(rows[0]["limit_value"], 16);
  EXPECT_TRUE(rows[0]["gflops"].is_null());
  EXPECT_GT(rows[0]["slowest_ms"].get<double>(), 0);
}

TEST(BenchCommand, FramesAreHeldAgainstTheirTargetWhereTheyCanBeDrawn) {
  const Finished run = run_program({"bench", "--json", "--case", "frame"});
  if (run.status != 0) {
    EXPECT_EQ(run.status, 1);
    EXPECT_THAT(run.err, testing::StartsWith("headroom: "));
    GTEST_SKIP() << run.err;
  }
  const ordered_json rows = ordered_json::parse(run.out);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["limit_value"], 1);
  for (const char* counted : {"draw_calls", "vertices", "bytes_uploaded"})
    EXPECT_GT(rows[0][counted].get<double>(), 0) << counted;
}

TEST(BenchCommand, TextNamesTheMachineAndMarkdownIsATable) {
  const std::vector<std::string> quick{"bench", "--case", "gemm-128", "--backend", "flash", "--seconds", "0.001", "--rounds", "1"};
  const Finished text = run_program(quick);
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, testing::StartsWith("headroom " HEADROOM_VERSION ", commit "));
  EXPECT_THAT(text.out, HasSubstr("% of limit"));
  EXPECT_THAT(text.out, HasSubstr("\ngemm-128 "));
  auto as_markdown = quick;
  as_markdown.push_back("--markdown");
  const Finished markdown = run_program(as_markdown);
  EXPECT_THAT(markdown.out, HasSubstr("\n| case | backend |"));
  EXPECT_THAT(markdown.out, HasSubstr("\n| gemm-128 | flash | "));
  auto as_csv = quick;
  as_csv.push_back("--csv");
  EXPECT_THAT(run_program(as_csv).out, testing::StartsWith("case,backend,threads,time [ms],"));
}

TEST(BenchCommand, WrongUseIsOneSentenceAndTwo) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{"--case", "bert"}, "bert"},    {{"--backend", "quantum"}, "quantum"}, {{"--threads", "0"}, "0"},
      {{"--threads", "many"}, "many"}, {{"--seconds", "-1"}, "-1"},           {{"--json", "--markdown"}, "--json"},
  };
  for (const auto& [arguments, word] : wrong) {
    std::vector<std::string> words{"bench"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const Finished run = run_program(words);
    EXPECT_EQ(run.status, 2) << word;
    EXPECT_THAT(run.err, testing::StartsWith("headroom: "));
    EXPECT_THAT(run.err, HasSubstr(word));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  }
}

}  // namespace
}  // namespace headroom
