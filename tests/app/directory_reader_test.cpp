#include "app/views/directory_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace headroom {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class DirectoryReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(HEADROOM_BINARY_DIR) / "directory_reader_test";
    fs::remove_all(root_);
    fs::create_directories(root_ / "zoo");
    fs::create_directories(root_ / "model");
    for (const char* name : {"b.json", "a.txt", ".hidden", "model/config.json"})
      std::ofstream(root_ / name) << "x";
  }
  void TearDown() override { fs::remove_all(root_); }

  static Listing wait_for(DirectoryReader& reader) {
    for (int i = 0; i < 2000; ++i) {
      if (auto listing = reader.take()) return *std::move(listing);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "no listing came";
    return {};
  }

  fs::path root_;
};

std::vector<std::string> described(const Listing& listing) {
  std::vector<std::string> lines;
  for (const DirectoryEntry& entry : listing.entries)
    lines.push_back(entry.name + (entry.is_folder ? "/" : "") + (entry.is_model ? " model" : ""));
  return lines;
}

TEST_F(DirectoryReaderTest, FoldersComeFirstAndModelsAreKnown) {
  const Listing listing = list_directory(root_);
  EXPECT_THAT(described(listing), ElementsAre("model/ model", "zoo/", "a.txt", "b.json"));
  EXPECT_EQ(listing.problem, "");
}

TEST_F(DirectoryReaderTest, AMissingFolderIsASentence) {
  const Listing listing = list_directory(root_ / "nowhere");
  EXPECT_THAT(listing.entries, ::testing::IsEmpty());
  EXPECT_THAT(listing.problem, ::testing::StartsWith("This folder cannot be listed: "));
}

TEST_F(DirectoryReaderTest, TheNewestRequestIsAnswered) {
  DirectoryReader reader;
  EXPECT_FALSE(reader.is_busy());
  for (int i = 0; i < 20; ++i)
    reader.request(root_ / "nowhere");
  reader.request(root_ / "model");
  EXPECT_TRUE(reader.is_busy());
  Listing listing = wait_for(reader);
  while (listing.folder != root_ / "model" && !HasFailure())
    listing = wait_for(reader);
  EXPECT_THAT(described(listing), ElementsAre("config.json"));
  EXPECT_FALSE(reader.is_busy());
  EXPECT_FALSE(reader.take().has_value());
}

}  // namespace
}  // namespace headroom
