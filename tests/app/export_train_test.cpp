// `headroom export --view train`: a short run trained on the way, the same bytes each time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/picture.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> short_run(const std::string& out) {
  return {"export", "--view", "train", "--recipe", "agreement", "--tokens", "6k", "--size", "900x600", "--out", out};
}

TEST(ExportTrain, GivesTheSameBytesEachTime) {
  const TemporaryFolder folder;
  const Finished first = run_program(short_run((folder / "a.png").string()));
  ASSERT_EQ(first.status, 0) << first.err;
  const Finished second = run_program(short_run((folder / "b.png").string()));
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_EQ(file_bytes(folder / "a.png"), file_bytes(folder / "b.png"));
  EXPECT_EQ(read_png(folder / "a.png").width, 900);
  // Another seed is another run.
  std::vector<std::string> other = short_run((folder / "c.png").string());
  other.insert(other.end(), {"--set", "train.seed=5"});
  ASSERT_EQ(run_program(other).status, 0);
}

TEST(ExportTrain, WritesItsSeriesWithoutTimes) {
  const TemporaryFolder folder;
  const Finished csv = run_program(short_run((folder / "run.csv").string()));
  ASSERT_EQ(csv.status, 0) << csv.err;
  EXPECT_THAT(file_bytes(folder / "run.csv"), HasSubstr("tokens"));
  const Finished again = run_program(short_run((folder / "again.csv").string()));
  EXPECT_EQ(file_bytes(folder / "run.csv"), file_bytes(folder / "again.csv"));
}

TEST(ExportTrain, ShowsTheTimeAndHeadThatTheSessionSays) {
  const TemporaryFolder folder;
  std::vector<std::string> large = short_run((folder / "large.svg").string());
  large.insert(large.end(), {"--set", "train_view.head=1.2", "--set", "train_view.heads=one", "--set", "train_view.at=0"});
  const Finished finished = run_program(large);
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(file_bytes(folder / "large.svg"), HasSubstr("<svg"));
}

TEST(ExportTrain, WrongUseGetsOneSentence) {
  const TemporaryFolder folder;
  const std::string out = (folder / "x.png").string();
  const Finished unknown = run_program({"export", "--view", "train", "--recipe", "agreemnt", "--out", out});
  EXPECT_NE(unknown.status, 0);
  EXPECT_THAT(unknown.err, HasSubstr("agreement"));
  const Finished count = run_program({"export", "--view", "train", "--tokens", "many", "--out", out});
  EXPECT_EQ(count.status, 2);
  EXPECT_THAT(count.err, HasSubstr("200k"));
  const Finished elsewhere = run_program({"export", "--view", "heads", "--recipe", "agreement", "--out", out});
  EXPECT_EQ(elsewhere.status, 2);
  EXPECT_THAT(elsewhere.err, HasSubstr("--view train"));
  const Finished both = run_program({"export", "--view", "train", "--recipe", "agreement", "--config", "x.json", "--out", out});
  EXPECT_EQ(both.status, 2);
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace headroom
