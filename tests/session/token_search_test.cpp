#include "core/session/token_search.h"

#include <gmock/gmock.h>

#include <cctype>
#include <random>

namespace headroom {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Words apart by white space, after an added <bos>; "zebra" is unknown.
std::shared_ptr<Snapshot> snapshot_of(const std::string& text) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->compute.text = text;
  snapshot->tokens.push_back({.text = "<bos>", .is_special = true});
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(" \n\t", at);
    if (begin == std::string::npos) break;
    at = std::min(text.find_first_of(" \n\t", begin), text.size());
    const std::string word = text.substr(begin, at - begin);
    const bool is_unknown = word == "zebra";
    snapshot->tokens.push_back(
        {.text = is_unknown ? "<unk>" : word, .source = word, .begin = begin, .end = at, .is_unknown = is_unknown});
  }
  return snapshot;
}

std::vector<std::int64_t> found(const std::shared_ptr<const Snapshot>& snapshot, std::string_view words) {
  TokenSearch search;
  search.look_for(snapshot, words);
  search.finish();
  EXPECT_TRUE(search.is_done());
  return search.found();
}

TEST(TokenSearch, FindsTokensByPartsOfTheirText) {
  const auto snapshot = snapshot_of("the cat saw the other cats");
  EXPECT_THAT(found(snapshot, "cat"), ElementsAre(2, 6));
  EXPECT_THAT(found(snapshot, "the"), ElementsAre(1, 4, 5));
  EXPECT_THAT(found(snapshot, "dog"), IsEmpty());
  EXPECT_THAT(found(snapshot, ""), IsEmpty());
  EXPECT_THAT(found(nullptr, "cat"), IsEmpty());
}

TEST(TokenSearch, WordsMayTakeSeveralTokensAndAnyWhiteSpace) {
  const auto snapshot = snapshot_of("the cat\nsaw the\tcat saw");
  EXPECT_THAT(found(snapshot, "the cat saw"), ElementsAre(1, 4)) << "found where they begin";
  EXPECT_THAT(found(snapshot, " cat"), ElementsAre(2, 5)) << "white space belongs to the token after it";
}

TEST(TokenSearch, SmallLettersFindCapitalsAndACapitalOnlyItself) {
  const auto snapshot = snapshot_of("Ärger ärger The the");
  EXPECT_THAT(found(snapshot, "ärger"), ElementsAre(1, 2));
  EXPECT_THAT(found(snapshot, "Ärger"), ElementsAre(1));
  EXPECT_THAT(found(snapshot, "the"), ElementsAre(3, 4));
  EXPECT_THAT(found(snapshot, "The"), ElementsAre(3));
}

TEST(TokenSearch, AddedAndUnknownTokensAreFoundByTheirSpelling) {
  const auto snapshot = snapshot_of("a zebra saw 🙂 שלום a zebra");
  EXPECT_THAT(found(snapshot, "<unk>"), ElementsAre(2, 7));
  EXPECT_THAT(found(snapshot, "zeb"), ElementsAre(2, 7));
  EXPECT_THAT(found(snapshot, "<bos>"), ElementsAre(0));
  EXPECT_THAT(found(snapshot, "🙂"), ElementsAre(4));
  EXPECT_THAT(found(snapshot, "ום"), ElementsAre(5));
}

TEST(TokenSearch, OffsetsBeyondTheTextAndBrokenUtf8AreNoTrouble) {
  auto snapshot = snapshot_of("the \xFF\xE2\x82 cat");
  snapshot->tokens.push_back({.text = "far", .source = "far", .begin = 900, .end = 1000});
  EXPECT_THAT(found(snapshot, "cat"), ElementsAre(3));
  EXPECT_THAT(found(snapshot, "\xFF"), ElementsAre(2)) << "what is no UTF-8 is one replacement character on both sides";
}

TEST(TokenSearch, StepsFindWhatOneLookFinds) {
  std::mt19937 random(3);
  std::string text;
  for (int i = 0; i < 3000; ++i)
    text += std::string_view("abAB \n")[random() % 6];
  const auto snapshot = snapshot_of(text);
  for (const char* words : {"ab", "a", "AB", "ba b", "b\na"}) {
    TokenSearch search;
    search.look_for(snapshot, words);
    int n_steps = 0;
    while (!search.step(100))
      ++n_steps;
    EXPECT_GT(n_steps, 20) << "a step is short";
    EXPECT_EQ(search.found(), found(snapshot, words));
    // Against a plain search of the folded text.
    std::string plain = text, wanted = words;
    const bool folds = wanted.find_first_of("AB") == std::string::npos;
    for (std::string* both : {&plain, &wanted}) {
      for (char& c : *both)
        c = c == '\n' ? ' ' : folds ? static_cast<char>(std::tolower(c)) : c;
    }
    std::vector<std::int64_t> expected;
    std::size_t from = 0;
    for (std::size_t i = 1; i < snapshot->tokens.size(); ++i) {
      const std::size_t at = plain.find(wanted, from);
      if (at < snapshot->tokens[i].end) expected.push_back(static_cast<std::int64_t>(i));
      from = snapshot->tokens[i].end;
    }
    EXPECT_EQ(search.found(), expected) << words;
  }
}

TEST(TokenSearch, GoesRoundInBothDirections) {
  TokenSearch search;
  search.look_for(snapshot_of("cat dog cat dog cat"), "cat");
  search.finish();
  EXPECT_THAT(search.found(), ElementsAre(1, 3, 5));
  EXPECT_EQ(search.after(std::nullopt), 1);
  EXPECT_EQ(search.after(1), 3);
  EXPECT_EQ(search.after(2), 3);
  EXPECT_EQ(search.after(5), 1);
  EXPECT_EQ(search.before(std::nullopt), 5);
  EXPECT_EQ(search.before(3), 1);
  EXPECT_EQ(search.before(1), 5);
  EXPECT_EQ(search.place_of(3), 1u);
  EXPECT_EQ(search.place_of(2), std::nullopt);
  EXPECT_TRUE(search.has(5));
  EXPECT_FALSE(search.has(4));
  search.look_for(snapshot_of("cat dog cat dog cat"), "cow");
  search.finish();
  EXPECT_EQ(search.after(2), std::nullopt);
  EXPECT_EQ(search.before(2), std::nullopt);
}

TEST(TokenSearch, AFinerPictureOfTheSameTextIsNotSearchedAgain) {
  TokenSearch search;
  const auto snapshot = snapshot_of("cat dog cat");
  search.look_for(snapshot, "cat");
  search.finish();
  auto finer = std::make_shared<Snapshot>(*snapshot);
  finer->version = snapshot->version + 1;
  search.look_for(finer, "cat");
  EXPECT_TRUE(search.is_done());
  EXPECT_THAT(search.found(), ElementsAre(1, 3));
  auto other = std::make_shared<Snapshot>(*snapshot_of("dog dog cat"));
  search.look_for(other, "cat");
  EXPECT_FALSE(search.is_done());
  search.finish();
  EXPECT_THAT(search.found(), ElementsAre(3));
}

}  // namespace
}  // namespace headroom
