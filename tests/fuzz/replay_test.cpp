// Every file of corpus/NAME through target NAME: seeds, and whatever once went wrong. Names that begin with "good" must be accepted, with
// "bad" refused; of others it is enough that nothing breaks.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "tests/fuzz/target.h"

namespace headroom {
namespace {

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Corpus : public testing::TestWithParam<fuzz::Target> {};

TEST_P(Corpus, Replays) {
  const std::filesystem::path folder = std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/fuzz/corpus" / GetParam().name;
  std::size_t n_files = 0, n_accepted = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().filename().string());
    const bool is_accepted = GetParam().feed(bytes_of(entry.path()));
    const std::string name = entry.path().filename().string();
    const bool must_be_accepted = name.starts_with("good"), must_be_refused = name.starts_with("bad");
    EXPECT_FALSE(must_be_accepted && !is_accepted);
    EXPECT_FALSE(must_be_refused && is_accepted);
    n_accepted += is_accepted ? 1 : 0;
    ++n_files;
  }
  EXPECT_GE(n_files, 3u);
  EXPECT_GE(n_accepted, 1u) << "no seed gets past the first checks";
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(fuzz::targets()),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace headroom
