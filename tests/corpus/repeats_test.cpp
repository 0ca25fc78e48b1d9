#include "core/corpus/repeats.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/tensor/error.h"

namespace headroom {
namespace {

std::shared_ptr<const Corpus> grammar() { return open_grammar(std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets/grammar"); }

/// The distance after which every word comes again, or 0.
std::int64_t period_of(const std::vector<std::int32_t>& ids) {
  for (std::int64_t period = 2; period <= 22; ++period) {
    bool repeats = true;
    for (std::int64_t i = 1 + period; i < std::ssize(ids); ++i)
      repeats = repeats && ids[static_cast<std::size_t>(i)] == ids[static_cast<std::size_t>(i - period)];
    if (repeats) return period;
  }
  return 0;
}

TEST(Repeats, LeaveHeldOutRowsAndOtherRowsAsTheyAre) {
  const auto plain = grammar();
  const auto mixed = with_repeats(plain, {.first_share = 0.5, .last_share = 0.5});
  int n_repeating = 0;
  for (std::int64_t index = 0; index < 200; ++index) {
    EXPECT_EQ(mixed->row(Stream::kHeldOut, 3, index, 48).ids, plain->row(Stream::kHeldOut, 3, index, 48).ids);
    const CorpusRow row = mixed->row(Stream::kTraining, 3, index, 64);
    if (row.ids == plain->row(Stream::kTraining, 3, index, 64).ids) continue;
    ++n_repeating;
    const std::int64_t period = period_of(row.ids);
    EXPECT_GE(period, 6);
    std::vector<std::int32_t> ids(64);
    mixed->row_ids(Stream::kTraining, 3, index, ids);
    EXPECT_EQ(ids, row.ids);
    for (const Link& link : row.links)
      EXPECT_EQ(row.ids[static_cast<std::size_t>(link.query)], row.ids[static_cast<std::size_t>(link.key)]);
  }
  EXPECT_GT(n_repeating, 70);
  EXPECT_LT(n_repeating, 130);
}

TEST(Repeats, BeginWithFewWordsAndEndWithAll) {
  const auto mixed =
      with_repeats(grammar(), {.first_share = 1, .last_share = 0.25, .first_words = 26, .from_row = 1000, .to_row = 2000});
  const auto count = [&](std::int64_t begin) {
    std::set<std::int32_t> words;
    int n_repeating = 0;
    for (std::int64_t index = begin; index < begin + 400; ++index) {
      const CorpusRow row = mixed->row(Stream::kTraining, 1, index, 64);
      if (period_of(row.ids) == 0) continue;
      ++n_repeating;
      words.insert(row.ids.begin() + 1, row.ids.end());
    }
    return std::pair{n_repeating, words.size()};
  };
  EXPECT_EQ(count(0), (std::pair{400, std::size_t{26}}));
  const auto [n_late, words_late] = count(2000);
  EXPECT_GT(n_late, 70);
  EXPECT_LT(n_late, 130);
  EXPECT_EQ(words_late, content_words(*grammar()).size());
}

/// Which word follows given the words before, counted over all ways to draw a tiny segment: the same as the stated surprisals.
TEST(Repeats, StateExactSurprisals) {
  const auto mixed = with_repeats(
      grammar(), {.first_share = 1, .last_share = 1, .first_words = 5, .to_row = 1 << 30, .min_period = 2, .max_period = 4});
  for (std::int64_t index = 0; index < 60; ++index) {
    const CorpusRow row = mixed->row(Stream::kTraining, 9, index, 12);
    const std::int64_t period = period_of(row.ids);
    // P(period) P(words | period): the product of all conditional probabilities.
    double words = 1;
    for (std::int64_t i = 0; i < period; ++i)
      words *= static_cast<double>(5 - i);
    double sum = 0;
    for (const float surprisal : row.surprisals)
      sum += static_cast<double>(surprisal);
    EXPECT_NEAR(sum, std::log(words * 3), 1e-5) << "period " << period;
  }
}

TEST(Repeats, RefuseWhatCannotBe) {
  EXPECT_THROW(with_repeats(grammar(), {.first_share = 1.5}), Error);
  EXPECT_THROW(with_repeats(grammar(), {.first_words = 10}), Error);
  EXPECT_THROW(with_repeats(grammar(), {.min_period = 1}), Error);
  EXPECT_THROW(with_repeats(open_letters(), {}), Error);
}

}  // namespace
}  // namespace headroom
