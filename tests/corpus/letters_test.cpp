#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/corpus/corpus.h"
#include "core/formats/tokenizer.h"
#include "core/tensor/error.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing_files::message_of;

/// The distance after which a row repeats.
int period_of(const std::vector<std::int32_t>& ids) {
  for (std::size_t i = 2; i < ids.size(); ++i)
    if (ids[i] == ids[1]) return static_cast<int>(i) - 1;
  return 0;
}

TEST(Letters, RowsRepeatOneSegment) {
  const auto corpus = open_letters();
  std::set<int> periods;
  for (std::int64_t index = 0; index < 1000; ++index) {
    const CorpusRow row = corpus->row(Stream::kTraining, 1, index, 48);
    ASSERT_EQ(row.ids.size(), 48u);
    EXPECT_EQ(row.ids[0], corpus->bos_id());
    const int period = period_of(row.ids);
    periods.insert(period);
    EXPECT_EQ(std::set<std::int32_t>(row.ids.begin() + 1, row.ids.end()).size(), static_cast<std::size_t>(period));
    for (std::size_t i = static_cast<std::size_t>(period) + 1; i < 48; ++i)
      ASSERT_EQ(row.ids[i], row.ids[i - static_cast<std::size_t>(period)]);
    std::vector<std::int32_t> fast(48);
    corpus->row_ids(Stream::kTraining, 1, index, fast);
    EXPECT_EQ(fast, row.ids);
  }
  EXPECT_EQ(periods.size(), 17u);
  EXPECT_EQ(*periods.begin(), 6);
  EXPECT_EQ(*periods.rbegin(), 22);
}

TEST(Letters, LinksAndQuestionsAreTheRepeatedLetters) {
  const auto corpus = open_letters(6, 10);
  const CorpusRow row = corpus->row(Stream::kHeldOut, 1, 3, 48);
  const int period = period_of(row.ids);
  ASSERT_EQ(row.links.size(), static_cast<std::size_t>(48 - period - 2));
  ASSERT_EQ(row.choices.size(), row.links.size());
  for (std::size_t i = 0; i < row.links.size(); ++i) {
    EXPECT_EQ(row.links[i].relation, Relation::kCopy);
    EXPECT_EQ(row.links[i].query, period + 2 + static_cast<int>(i));
    EXPECT_EQ(row.links[i].key, row.links[i].query - period);
    EXPECT_EQ(row.choices[i].position, row.links[i].query);
    EXPECT_EQ(row.choices[i].ids.size(), 26u);
    EXPECT_EQ(row.choices[i].ids.front(), row.ids[static_cast<std::size_t>(row.links[i].query)]);
  }
}

// Against counting: how often does the first letter come again after n letters, among the rows that go that far?
TEST(Letters, SurprisalIsWhatCountingGives) {
  const auto corpus = open_letters(3, 6);
  constexpr int kRows = 40000;
  std::map<int, int> n_reached, n_ended;
  std::map<int, double> said_end, said_on;
  for (std::int64_t index = 0; index < kRows; ++index) {
    const CorpusRow row = corpus->row(Stream::kTraining, 9, index, 10);
    const int period = period_of(row.ids);
    for (int n = 1; n <= period; ++n)
      ++n_reached[n];
    ++n_ended[period];
    for (int n = 0; n < period; ++n)
      said_on[n] = static_cast<double>(row.surprisals[static_cast<std::size_t>(n) + 1]);
    said_end[period] = static_cast<double>(row.surprisals[static_cast<std::size_t>(period) + 1]);
    for (std::size_t i = static_cast<std::size_t>(period) + 2; i < 10; ++i)
      EXPECT_EQ(row.surprisals[i], 0.0f);
    EXPECT_EQ(row.surprisals[0], 0.0f);
  }
  for (int n = 3; n <= 6; ++n) {
    const double share = static_cast<double>(n_ended[n]) / n_reached[n];
    EXPECT_NEAR(std::exp(-said_end[n]), share, 5 * std::sqrt(0.25 / n_reached[n])) << n;
    // What does not end goes on with one of the unused letters, each alike: together they are certain.
    if (n < 6) {
      EXPECT_NEAR(std::exp(-said_on[n]) * (26 - n) + std::exp(-said_end[n]), 1, 1e-5);
    }
  }
  EXPECT_NEAR(said_on[0], std::log(26.0), 1e-6);
}

TEST(Letters, FloorIsKnown) {
  const Floor floor = measure_floor(*open_letters(), 1, 500, 48);
  // Mean period 14: about 14 log(~19) nats in 47 tokens.
  EXPECT_NEAR(floor.nats_per_token, 0.9, 0.1);
  EXPECT_NEAR(floor.deterministic_share, (47 - 15.0) / 47, 0.03);
}

TEST(Letters, TokenizerReadsLetters) {
  const auto corpus = open_letters();
  const Encoding encoding = corpus->tokenizer()->encode("a B ?", 10);
  ASSERT_EQ(encoding.tokens.size(), 4u);
  EXPECT_EQ(encoding.tokens[0].id, corpus->bos_id());
  EXPECT_EQ(encoding.tokens[1].id, 1);
  EXPECT_EQ(encoding.tokens[2].id, 2);
  EXPECT_EQ(encoding.tokens[3].id, corpus->unknown_id());
  EXPECT_EQ(corpus->vocab_size(), 29);
}

TEST(Letters, ImpossiblePeriodsAreRefused) {
  EXPECT_EQ(message_of([] { open_letters(1, 5); }), "letters are repeated after 2 to 26, the shortest first, but these are 1 to 5");
  EXPECT_EQ(message_of([] { open_letters(9, 5); }), "letters are repeated after 2 to 26, the shortest first, but these are 9 to 5");
  EXPECT_EQ(message_of([] { open_letters(6, 27); }),
            "letters are repeated after 2 to 26, the shortest first, but these are 6 to 27");
}

}  // namespace
}  // namespace headroom
