// headroom export --tile: a part of one head, exact, however long the text.

#include <fstream>

#include "app/painters/png.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

void expect_wrong_use(const std::string& tile, const std::vector<std::string>& words) {
  const Finished run = run_program({"export", "--view", "head", "--tile", tile, "--out", "never.png"});
  EXPECT_EQ(run.status, 2) << tile << run.err;
  EXPECT_THAT(run.err, StartsWith("headroom: --tile "));
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  for (const std::string& word : words)
    EXPECT_THAT(run.err, HasSubstr(word)) << tile;
  EXPECT_FALSE(std::filesystem::exists("never.png"));
}

TEST(ExportTile, EveryWrongSpellingIsOneSentence) {
  for (const char* tile :
       {"", "3.7", "3.7:", "3.7:0-8", "3.7:0-8,", "3:0-8,0-8", "L3H7:0-8,0-8", "3.7:0..8,0..8", "3.7:0-8;0-8", "3.7:-1-8,0-8",
        "3.7:0-8,0-8,0-8", "3.7:0-8,a-b", "3.7:0-8 ,0-8", "3.7:0-99999999999999999999,0-8", "0-8,3.7:0-8"}) {
    expect_wrong_use(tile, {"LAYER.HEAD:FIRST-LAST,FIRST-LAST", "3.7:0-1023,0-1023"});
  }
}

TEST(ExportTile, EveryWrongRangeIsOneSentence) {
  expect_wrong_use("3.7:8-0,0-8", {"queries 8-0", "backwards"});
  expect_wrong_use("3.7:0-8,5-2", {"keys 5-2", "backwards"});
  expect_wrong_use("4.0:0-7,0-7", {"layers 0 to 3", "heads 0 to 7"});
  expect_wrong_use("0.8:0-7,0-7", {"heads 0 to 7"});
  expect_wrong_use("3.7:0-7,3-10", {"the text has 10 tokens", "the last one is 9"});
  expect_wrong_use("3.7:0-9223372036854775807,0-8", {"the text has 10 tokens"});
  expect_wrong_use("3.7:0-3,0-8", {"at least 8 queries and 8 keys"});
}

TEST(ExportTile, GoesWithAPictureOfOneHead) {
  const Finished run = run_program({"export", "--view", "heads", "--tile", "3.7:0-7,0-7", "--out", "never.png"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("--view head"));
}

class LongText : public testing::Test {
 protected:
  LongText() {
    std::ofstream file(folder_ / "long.txt");
    constexpr const char* kWords[] = {"the ", "cat ", "that ", "sat ", "on ", "the ", "mat ", "was ", "fluffy "};
    for (int i = 0; i < 3000; ++i)
      file << kWords[(i * 7 + i / 11) % 9];
  }
  /// The bytes of the file that was written.
  std::string written(const std::vector<std::string>& options, const std::string& name) {
    std::vector<std::string> words{"export", "--text-file", (folder_ / "long.txt").string(), "--out", (folder_ / name).string()};
    words.insert(words.end(), options.begin(), options.end());
    const Finished run = run_program(words);
    EXPECT_EQ(run.status, 0) << run.err;
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  TemporaryFolder folder_;
};

TEST_F(LongText, IsDrawnExactlyInEveryFormat) {
  const std::vector<std::string> options{"--view", "head", "--tile", "2.5:1000-1511,400-911", "--size", "640x560"};
  const std::string svg = written(options, "tile.svg");
  EXPECT_THAT(svg, HasSubstr("<svg"));
  EXPECT_THAT(svg, HasSubstr("Layer 2, head 5"));
  EXPECT_THAT(written(options, "tile.pdf"), StartsWith("%PDF"));
  const std::string png = written(options, "tile.png");
  const Image image = read_png(folder_ / "tile.png");
  EXPECT_EQ(image.width, 640);
  EXPECT_EQ(image.height, 560);
  EXPECT_EQ(written(options, "again.png"), png) << "the same bytes each time";
  std::vector<std::string> elsewhere = options;
  elsewhere[3] = "2.5:1000-1511,500-1011";
  EXPECT_NE(written(elsewhere, "elsewhere.png"), png);
}

TEST_F(LongText, TheWindowShowsTheSameTile) {
  const std::string png = written({"--view", "window", "--tile", "1.2:2000-2255,1900-2155", "--size", "1280x720"}, "window.png");
  EXPECT_GT(png.size(), 10000U);
}

TEST_F(LongText, ARowOverAllKeysIsAPictureOfItsOwn) {
  const std::string svg = written({"--view", "row", "--set", "view.head=2.5", "--set", "view.query=2500"}, "row.svg");
  EXPECT_THAT(svg, HasSubstr("Layer 2, head 5, row 2,500"));
}

}  // namespace
}  // namespace headroom
