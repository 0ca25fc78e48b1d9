#include "core/formats/generation_ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/tensor/error.h"
#include "testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;

GenerationIds ids_of(const std::string& config, const std::string& generation = "") {
  const testing_files::TemporaryFolder folder;
  folder.file("config.json", config);
  if (!generation.empty()) folder.file("generation_config.json", generation);
  return read_generation_ids(folder.path(), 50);
}

TEST(GenerationIds, AreAskedOfTheGenerationFileFirst) {
  const GenerationIds ids = ids_of(R"({"decoder_start_token_id": 3, "eos_token_id": 2})",
                                   R"({"decoder_start_token_id": 4, "eos_token_id": [7, 9], "forced_bos_token_id": 5})");
  EXPECT_EQ(ids.decoder_start, 4);
  EXPECT_EQ(ids.forced_first, 5);
  EXPECT_THAT(ids.ends, ElementsAre(7, 9));
  EXPECT_THAT(ids_of(R"({"eos_token_id": 2})", "{}").ends, ElementsAre(2));
}

TEST(GenerationIds, ADecoderStartsWithTheBeginningElseWithPadding) {
  EXPECT_EQ(ids_of(R"({"bos_token_id": 6, "pad_token_id": 1})").decoder_start, 6);
  EXPECT_EQ(ids_of(R"({"pad_token_id": 1})").decoder_start, 1);
  EXPECT_EQ(ids_of(R"({"pad_token_id": null})").decoder_start, std::nullopt);
}

TEST(GenerationIds, IdsBeyondTheVocabularyAreLeftOut) {
  EXPECT_EQ(ids_of(R"({"decoder_start_token_id": 50, "eos_token_id": [-1, 99, 49, 1.5, "x"]})").decoder_start, std::nullopt);
  EXPECT_THAT(ids_of(R"({"eos_token_id": [-1, 99, 49, 1.5, "x"]})").ends, ElementsAre(49));
  EXPECT_THROW(ids_of("{"), Error);
}

}  // namespace
}  // namespace headroom
