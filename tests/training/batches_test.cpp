#include "core/training/batches.h"

#include <gmock/gmock.h>

#include <cmath>
#include <future>

#include "core/attention/counter_hash.h"
#include "core/corpus/corpus.h"
#include "core/corpus/translation.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int32_t kBos = 0, kUnknown = 7, kMask = 3;  // not in a row, so that words lie between them

/// Twenty words, of which three are special tokens; a row is <bos> and hashes of where it stands.
class HashCorpus : public Corpus {
 public:
  explicit HashCorpus(std::int32_t unknown = kUnknown, std::int32_t mask = kMask) : unknown_(unknown), mask_(mask) {}
  const std::string& name() const override { return name_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return nullptr; }
  const std::string& tokenizer_json() const override { return name_; }
  std::int64_t vocab_size() const override { return 20; }
  std::int32_t bos_id() const override { return kBos; }
  std::int32_t unknown_id() const override { return unknown_; }
  std::int32_t mask_id() const override { return mask_; }
  bool has_known_floor() const override { return false; }
  CorpusRow row(Stream stream, std::uint64_t seed, std::int64_t index, std::int64_t length) const override {
    CorpusRow row;
    row.ids.push_back(kBos);
    for (std::int64_t i = 1; i < length; ++i) {
      const std::uint32_t hash = counter_hash(
          seed, {static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(i)});
      auto id = static_cast<std::int32_t>(1 + hash % 19);
      if (id == kMask || id == kUnknown) ++id;
      row.ids.push_back(id);
    }
    return row;
  }

 private:
  std::string name_ = "hashes";
  std::int32_t unknown_, mask_;
};

/// Targets reversed, of varying length; the first source word is aligned to nothing.
class ReversingCorpus : public ParallelCorpus {
 public:
  const std::string& name() const override { return name_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return nullptr; }
  const std::string& tokenizer_json() const override { return name_; }
  std::int64_t vocab_size() const override { return 1000; }
  std::int32_t pad_id() const override { return 0; }
  std::int32_t bos_id() const override { return 1; }
  std::int32_t eos_id() const override { return 2; }
  std::int32_t unknown_id() const override { return 3; }
  std::int64_t max_source() const override { return 6; }
  std::int64_t max_target() const override { return 5; }
  ParallelRow row(Stream stream, std::uint64_t seed, std::int64_t index) const override {
    ParallelRow row;
    const auto n = static_cast<std::int32_t>(2 + (static_cast<std::uint64_t>(index) + seed) % 5);
    for (std::int32_t i = 0; i < n; ++i)
      row.source.push_back(static_cast<std::int32_t>(100 + 10 * index) + i + (stream == Stream::kHeldOut ? 500 : 0));
    for (std::int32_t i = 0; i + 1 < n; ++i) {
      row.target.push_back(row.source[static_cast<std::size_t>(n - 1 - i)] + 400);
      row.alignment.push_back({Relation::kCopy, i, n - 1 - i});
    }
    return row;
  }

 private:
  std::string name_ = "reversed";
};

std::vector<std::int32_t> slice(const std::vector<std::int32_t>& ids, std::int64_t row, std::int64_t width) {
  return {ids.begin() + row * width, ids.begin() + (row + 1) * width};
}

/// A share of n draws lies within five standard deviations of what it should be.
void expect_share(std::int64_t count, std::int64_t n, double share) {
  const double deviation = std::sqrt(share * (1 - share) / static_cast<double>(n));
  EXPECT_NEAR(static_cast<double>(count) / static_cast<double>(n), share, 5 * deviation);
}

const HashCorpus kHashes;

TEST(Batches, CausalTargetsAreTheTrueNextTokens) {
  const Batch batch = causal_batch(kHashes, {Stream::kTraining, 5, 100, 400}, {.length = 48, .unknown_share = 0.1});
  EXPECT_EQ(batch.n_rows, 400);
  EXPECT_EQ(batch.seq, 48);
  EXPECT_EQ(batch.source_seq, 0);
  std::int64_t n_unknown = 0;
  for (std::int64_t row = 0; row < 400; ++row) {
    const std::vector<std::int32_t> ids = kHashes.row(Stream::kTraining, 5, 100 + row, 48).ids;
    std::vector<std::int32_t> targets(ids.begin() + 1, ids.end());
    targets.push_back(kIgnored);
    EXPECT_EQ(slice(batch.targets, row, 48), targets);
    const std::vector<std::int32_t> inputs = slice(batch.inputs, row, 48);
    EXPECT_EQ(inputs[0], kBos);
    for (std::size_t i = 0; i < 48; ++i) {
      n_unknown += inputs[i] == kUnknown;
      EXPECT_TRUE(inputs[i] == ids[i] || inputs[i] == kUnknown);
    }
  }
  expect_share(n_unknown, 400 * 47, 0.1);
}

TEST(Batches, RowsAreTheSameInWhateverBatchAndThread) {
  const auto rows_of = [](std::int64_t first, std::int64_t n) {
    return causal_batch(kHashes, {Stream::kTraining, 9, first, n}, {.length = 16, .unknown_share = 0.3});
  };
  const auto masked_rows_of = [](std::int64_t first, std::int64_t n) {
    return masked_batch(kHashes, {Stream::kTraining, 9, first, n}, {.length = 16});
  };
  const Batch whole = rows_of(1000, 64), masked = masked_rows_of(1000, 64);
  std::vector<std::future<std::pair<Batch, Batch>>> parts;
  for (std::int64_t part = 0; part < 8; ++part)
    parts.push_back(std::async(std::launch::async,
                               [&, part] { return std::pair(rows_of(1000 + 8 * part, 8), masked_rows_of(1000 + 8 * part, 8)); }));
  for (std::int64_t part = 0; part < 8; ++part) {
    const auto [causal, gaps] = parts[static_cast<std::size_t>(part)].get();
    EXPECT_EQ(causal.inputs, slice(whole.inputs, part, 8 * 16));
    EXPECT_EQ(causal.targets, slice(whole.targets, part, 8 * 16));
    EXPECT_EQ(gaps.inputs, slice(masked.inputs, part, 8 * 16));
    EXPECT_EQ(gaps.targets, slice(masked.targets, part, 8 * 16));
  }
}

TEST(Batches, SeedStreamAndRowChangeWhatIsReplaced) {
  const auto replaced = [](const BatchRows& rows) {
    std::vector<bool> places;
    for (const std::int32_t id : causal_batch(kHashes, rows, {.length = 200, .unknown_share = 0.5}).inputs)
      places.push_back(id == kUnknown);
    return places;
  };
  const std::vector<bool> base = replaced({Stream::kTraining, 1, 0, 1});
  EXPECT_EQ(base, replaced({Stream::kTraining, 1, 0, 1}));
  for (const BatchRows& other : {BatchRows{Stream::kHeldOut, 1, 0, 1}, BatchRows{Stream::kTraining, 2, 0, 1},
                                 BatchRows{Stream::kTraining, 1 + (1ull << 32), 0, 1}, BatchRows{Stream::kTraining, 1, 1, 1},
                                 BatchRows{Stream::kTraining, 1, 1ll << 32, 1}}) {
    const std::vector<bool> places = replaced(other);
    std::int64_t n_equal = 0;
    for (std::size_t i = 1; i < places.size(); ++i)
      n_equal += places[i] == base[i];
    expect_share(n_equal, 199, 0.5);
  }
}

TEST(Batches, WithoutAnUnknownTokenNothingIsReplaced) {
  const HashCorpus bytes(-1);
  const Batch batch = causal_batch(bytes, {Stream::kTraining, 1, 0, 8}, {.length = 32, .unknown_share = 0.5});
  for (std::int64_t row = 0; row < 8; ++row)
    EXPECT_EQ(slice(batch.inputs, row, 32), bytes.row(Stream::kTraining, 1, row, 32).ids);
}

TEST(Batches, MaskedSharesAreAsAskedAndOnlyWordsAreChosen) {
  const Batch batch = masked_batch(kHashes, {Stream::kTraining, 3, 0, 1000}, {.length = 48, .unknown_share = 0.05});
  std::int64_t n_chosen = 0, n_masked = 0, n_other = 0, n_unknown = 0, n_words = 1000 * 47;
  std::vector<std::int64_t> shown(20);
  for (std::int64_t row = 0; row < 1000; ++row) {
    const std::vector<std::int32_t> ids = kHashes.row(Stream::kTraining, 3, row, 48).ids;
    for (std::int64_t i = 0; i < 48; ++i) {
      const std::int32_t input = batch.inputs[static_cast<std::size_t>(row * 48 + i)],
                         target = batch.targets[static_cast<std::size_t>(row * 48 + i)];
      const std::int32_t id = ids[static_cast<std::size_t>(i)];
      if (i == 0) {
        EXPECT_EQ(target, kIgnored);
      }
      if (target == kIgnored) {
        EXPECT_TRUE(input == id || (input == kUnknown && i > 0));
        n_unknown += input == kUnknown;
        continue;
      }
      EXPECT_EQ(target, id);
      ++n_chosen;
      n_masked += input == kMask;
      EXPECT_TRUE(input != kUnknown && input != kBos);
      if (input != kMask && input != id) {
        ++n_other;
        ++shown[static_cast<std::size_t>(input)];
      }
    }
  }
  expect_share(n_chosen, n_words, 0.35);
  expect_share(n_masked, n_chosen, 0.8);
  expect_share(n_other, n_chosen, 0.1 * 16 / 17);  // one random word of 17 is the word itself
  expect_share(n_unknown, n_words - n_chosen, 0.05);
  for (const std::int32_t id : {1, 2, 4, 5, 6, 8, 19})
    EXPECT_GT(shown[static_cast<std::size_t>(id)], 40) << id;
}

TEST(Batches, EveryMaskedRowAsksForAtLeastOneWord) {
  const Batch batch = masked_batch(kHashes, {Stream::kTraining, 3, 0, 500}, {.length = 12, .chosen_share = 0});
  std::vector<std::int64_t> places(12);
  for (std::int64_t row = 0; row < 500; ++row) {
    std::int64_t n = 0;
    for (std::size_t i = 0; i < 12; ++i)
      if (batch.targets[static_cast<std::size_t>(row) * 12 + i] != kIgnored) {
        ++n;
        ++places[i];
      }
    EXPECT_EQ(n, 1);
  }
  EXPECT_EQ(places[0], 0);
  for (std::size_t i = 1; i < 12; ++i)
    EXPECT_GT(places[i], 20) << i;
  // A row of <bos> alone has no word to ask for.
  EXPECT_THAT(masked_batch(kHashes, {Stream::kTraining, 3, 0, 1}, {.length = 1}).targets, ElementsAre(kIgnored));
}

TEST(Batches, ParallelRowsArePaddedAndShifted) {
  const ReversingCorpus corpus;
  const Batch batch = parallel_batch(corpus, {Stream::kTraining, 0, 1, 3}, {.unknown_share = 0});  // 3, 4 and 5 source words
  EXPECT_EQ(batch.n_rows, 3);
  EXPECT_EQ(batch.source_seq, 5);
  EXPECT_EQ(batch.seq, 5);
  EXPECT_THAT(batch.source_lengths, ElementsAre(3, 4, 5));
  EXPECT_THAT(batch.sources, ElementsAre(110, 111, 112, 0, 0, 120, 121, 122, 123, 0, 130, 131, 132, 133, 134));
  EXPECT_THAT(batch.inputs, ElementsAre(1, 512, 511, 0, 0, 1, 523, 522, 521, 0, 1, 534, 533, 532, 531));
  EXPECT_THAT(batch.targets, ElementsAre(512, 511, 2, kIgnored, kIgnored, 523, 522, 521, 2, kIgnored, 534, 533, 532, 531, 2));
}

TEST(Batches, AnUnknownSourceWordIsUnknownInTheTargetToo) {
  const ReversingCorpus corpus;
  const BatchRows rows{Stream::kTraining, 4, 0, 500};
  const Batch batch = parallel_batch(corpus, rows, {.unknown_share = 0.2});
  std::int64_t n_unknown = 0, n_words = 0;
  for (std::int64_t r = 0; r < rows.n_rows; ++r) {
    const ParallelRow pair = corpus.row(rows.stream, rows.seed, r);
    const auto n = std::ssize(pair.source);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int32_t shown = batch.sources[static_cast<std::size_t>(r * batch.source_seq + i)];
      ++n_words;
      n_unknown += shown == 3;
      if (shown != 3) {
        EXPECT_EQ(shown, pair.source[static_cast<std::size_t>(i)]);
      }
      if (i == 0) continue;
      const auto query = static_cast<std::size_t>(r * batch.seq + n - 1 - i);
      const std::int32_t expected = shown == 3 ? 3 : pair.target[static_cast<std::size_t>(n - 1 - i)];
      EXPECT_EQ(batch.targets[query], expected);
      EXPECT_EQ(batch.inputs[query + 1], expected);
    }
  }
  expect_share(n_unknown, n_words, 0.2);
}

TEST(Batches, SayWhatIsWrong) {
  const auto message_of = [](const auto& work) -> std::string {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message_of([] { causal_batch(kHashes, {Stream::kTraining, 0, 0, 0}); }), HasSubstr("0 rows of 48 tokens"));
  EXPECT_THAT(message_of([] { causal_batch(kHashes, {Stream::kTraining, 0, -1, 1}); }), HasSubstr("from row -1"));
  EXPECT_THAT(message_of([] {
                masked_batch(kHashes, {Stream::kTraining, 0, 0, 1}, {.length = 0});
              }),
              HasSubstr("rows of 0 tokens"));
  EXPECT_THAT(message_of([] {
                causal_batch(kHashes, {Stream::kTraining, 0, 0, 1}, {.unknown_share = 1.5});
              }),
              HasSubstr("unknown_share is 1.5"));
  EXPECT_THAT(message_of([] {
                causal_batch(kHashes, {Stream::kTraining, 0, 0, 1}, {.unknown_share = std::nan("")});
              }),
              HasSubstr("unknown_share is"));
  EXPECT_THAT(message_of([] {
                masked_batch(kHashes, {Stream::kTraining, 0, 0, 1}, {.masked_share = 0.8, .random_share = 0.3});
              }),
              HasSubstr("the sum of masked_share and random_share"));
  EXPECT_THAT(message_of([] {
                masked_batch(HashCorpus(kUnknown, -1), {Stream::kTraining, 0, 0, 1});
              }),
              HasSubstr("the corpus hashes has no <mask>"));
}

}  // namespace
}  // namespace headroom
