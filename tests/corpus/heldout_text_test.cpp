// assets/text/heldout-grammar.txt is what the grammar draws. HEADROOM_BLESS=1 writes it anew after the grammar was changed on purpose.

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/formats/file.h"
#include "tests/corpus/grammar_testing.h"

namespace headroom {
namespace {

constexpr std::uint64_t kSeed = 2026;
constexpr std::int64_t kRows = 200, kLength = 64;

const std::filesystem::path kFolder = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets" / "text";

std::string description(const Floor& floor) {
  char number[32];
  std::snprintf(number, sizeof number, "%.4f", floor.nats_per_token);
  return std::string("{\n  \"text\": \"heldout-grammar.txt\",\n  \"floor_nats_per_token\": ") + number +
         ",\n  \"source\": \"200 rows of 64 words that the grammar under assets/grammar drew from its held-out stream (seed 2026), "
         "of "
         "which no training ever draws. The floor is the mean of the grammar's own -log p of each word given the words before it: "
         "exact, and no causal model can go below it in the long run.\"\n}\n";
}

TEST(HeldOutText, IsWhatTheGrammarDraws) {
  const Corpus& corpus = *grammar_testing::the_grammar();
  std::string text;
  for (std::int64_t row = 0; row < kRows; ++row)
    text += grammar_testing::text_of(corpus, corpus.row(Stream::kHeldOut, kSeed, row, kLength).ids) + "\n";
  const std::string json = description(measure_floor(corpus, kSeed, kRows, kLength));
  if (std::getenv("HEADROOM_BLESS") != nullptr) {
    std::ofstream(kFolder / "heldout-grammar.txt", std::ios::binary) << text;
    std::ofstream(kFolder / "heldout-grammar.json", std::ios::binary) << json;
  }
  EXPECT_EQ(read_text_file(kFolder / "heldout-grammar.txt", 1u << 20), text);
  EXPECT_EQ(read_text_file(kFolder / "heldout-grammar.json", 1u << 16), json);
}

TEST(HeldOutText, IsNoTrainingText) {
  const Corpus& corpus = *grammar_testing::the_grammar();
  const auto ids = corpus.row(Stream::kHeldOut, kSeed, 0, kLength).ids;
  EXPECT_NE(ids, corpus.row(Stream::kTraining, kSeed, 0, kLength).ids);
  EXPECT_NE(ids, corpus.row(Stream::kHeldOut, kSeed + 1, 0, kLength).ids);
}

}  // namespace
}  // namespace headroom
