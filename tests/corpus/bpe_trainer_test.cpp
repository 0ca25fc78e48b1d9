#include "core/corpus/bpe_trainer.h"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "core/corpus/text_words.h"
#include "core/formats/byte_level.h"
#include "core/formats/file.h"
#include "core/formats/json_value.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using testing_files::message_of;

const std::filesystem::path kSource = HEADROOM_SOURCE_DIR;

TrainedBpe train(std::string_view text, std::int64_t size) {
  const TextWords words = count_words(text, {}, {});
  return train_bpe(words.words, {.vocabulary = size, .special_tokens = {"<bos>", "<mask>"}});
}

std::vector<std::int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::int32_t> ids;
  for (const Token& token : tokenizer.encode(text, 100000).tokens)
    ids.push_back(token.id);
  return ids;
}

/// A byte-level spelling back to its bytes.
std::string bytes_of_spelling(std::string_view spelling) {
  static const std::map<char32_t, unsigned char> bytes = [] {
    std::map<char32_t, unsigned char> map;
    for (std::size_t byte = 0; byte < 256; ++byte)
      map[byte_characters()[byte]] = static_cast<unsigned char>(byte);
    return map;
  }();
  std::string text;
  for (const char32_t c : to_utf32(spelling))
    text.push_back(static_cast<char>(bytes.at(c)));
  return text;
}

/// The textbook: count all pairs anew, merge the most frequent, of equals the smallest ids; until a pair occurs only once.
std::vector<std::pair<std::string, std::string>> merges_by_recounting(std::string_view text, std::size_t n_merges) {
  const TrainedBpe start = train_bpe({}, {.vocabulary = 256});
  std::vector<std::string> pieces = start.pieces;
  const TextWords counted = count_words(text, {}, {});
  std::vector<std::vector<std::int32_t>> words;
  for (const CountedWord& word : counted.words) {
    words.emplace_back();
    for (const char c : word.bytes)
      words.back().push_back(start.byte_id(static_cast<unsigned char>(c)));
  }
  std::vector<std::pair<std::string, std::string>> merges;
  while (merges.size() < n_merges) {
    std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> counts;
    for (std::size_t w = 0; w < words.size(); ++w)
      for (std::size_t i = 0; i + 1 < words[w].size(); ++i)
        counts[{words[w][i], words[w][i + 1]}] += counted.words[w].count;
    std::pair<std::int32_t, std::int32_t> best;
    std::int64_t best_count = 1;
    for (const auto& [pair, count] : counts) {
      if (count <= best_count) continue;
      best = pair;
      best_count = count;
    }
    if (best_count < 2) break;
    const std::string piece = pieces[static_cast<std::size_t>(best.first)] + pieces[static_cast<std::size_t>(best.second)];
    std::size_t id = 0;
    while (id < pieces.size() && pieces[id] != piece)
      ++id;
    merges.emplace_back(pieces[static_cast<std::size_t>(best.first)], pieces[static_cast<std::size_t>(best.second)]);
    if (id == pieces.size()) pieces.push_back(piece);
    for (auto& word : words) {
      std::vector<std::int32_t> merged;
      for (std::size_t i = 0; i < word.size(); ++i) {
        const bool joins = i + 1 < word.size() && word[i] == best.first && word[i + 1] == best.second;
        merged.push_back(joins ? static_cast<std::int32_t>(id) : word[i]);
        if (joins) ++i;
      }
      word = merged;
    }
  }
  return merges;
}

struct Golden {
  JsonDocument document = read_json_file(kSource / "tests/golden/bpe_golden.json", 16u << 20);
  std::string text_of(const std::string& name) const {
    if (name == "short") return document.root.find("short_text")->string;
    return read_text_file(kSource / "assets/text/heldout-grammar.txt", 1u << 20);
  }
};

TEST(BpeTrainer, LearnsWhatTheReferenceTrainerLearns) {
  const Golden golden;
  for (const JsonValue& entry : golden.document.root.find("trained")->items) {
    const TrainedBpe bpe =
        train(golden.text_of(entry.find("text")->string), static_cast<std::int64_t>(entry.find("size")->unsigned_value));
    SCOPED_TRACE(entry.find("text")->string);
    const JsonDocument tokenizer = parse_json(entry.find("tokenizer")->string, "golden");
    const JsonValue& model = *tokenizer.root.find("model");
    ASSERT_EQ(static_cast<std::uint64_t>(bpe.size()), entry.find("reached")->unsigned_value);
    EXPECT_EQ(bpe.ran_out, entry.find("size")->unsigned_value > entry.find("reached")->unsigned_value);
    for (const auto& [spelling, id] : model.find("vocab")->members) {
      const std::string expected = id.unsigned_value < 2 ? spelling : bytes_of_spelling(spelling);
      EXPECT_EQ(bpe.pieces[id.unsigned_value], expected) << id.unsigned_value;
    }
    const std::vector<JsonValue>& merges = model.find("merges")->items;
    ASSERT_EQ(bpe.merges.size(), merges.size());
    for (std::size_t i = 0; i < merges.size(); ++i) {
      EXPECT_EQ(bpe.pieces[static_cast<std::size_t>(bpe.merges[i].left)], bytes_of_spelling(merges[i].items[0].string)) << i;
      EXPECT_EQ(bpe.pieces[static_cast<std::size_t>(bpe.merges[i].right)], bytes_of_spelling(merges[i].items[1].string)) << i;
    }
  }
}

TEST(BpeTrainer, OurFileAndTheReferencesGiveTheReferencesIds) {
  const Golden golden;
  const std::vector<JsonValue>& texts = golden.document.root.find("texts")->items;
  for (const JsonValue& entry : golden.document.root.find("trained")->items) {
    const TrainedBpe bpe =
        train(golden.text_of(entry.find("text")->string), static_cast<std::int64_t>(entry.find("size")->unsigned_value));
    const auto tokenizer = parse_tokenizer(tokenizer_json_of(bpe, "<bos>"), "ours");
    const auto reference = parse_tokenizer(entry.find("tokenizer")->string, "golden");
    EXPECT_EQ(tokenizer->vocab_size(), bpe.size());
    EXPECT_EQ(tokenizer->unknown_id(), -1);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::vector<std::int32_t> expected;
      for (const JsonValue& id : entry.find("ids")->items[i].items)
        expected.push_back(static_cast<std::int32_t>(id.unsigned_value));
      EXPECT_EQ(ids_of(*tokenizer, texts[i].string), expected) << in_quotes(texts[i].string);
      EXPECT_EQ(ids_of(*reference, texts[i].string), expected) << in_quotes(texts[i].string);
    }
  }
}

TEST(BpeTrainer, CountsKeptUpToDateGiveWhatRecountingGives) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 40; ++trial) {
    // Few letters, so that runs overlap and different pairs spell the same piece.
    const std::string letters = trial % 2 == 0 ? "ab" : "abc ";
    std::string text;
    for (int i = 0; i < 400; ++i)
      text.push_back(letters[random() % letters.size()]);
    const TrainedBpe bpe = train_bpe(count_words(text, {}, {}).words, {.vocabulary = 256 + 40});
    const auto expected = merges_by_recounting(text, bpe.merges.size());
    ASSERT_EQ(bpe.merges.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(bpe.pieces[static_cast<std::size_t>(bpe.merges[i].left)], expected[i].first) << trial << " " << i;
      EXPECT_EQ(bpe.pieces[static_cast<std::size_t>(bpe.merges[i].right)], expected[i].second) << trial << " " << i;
    }
  }
}

TEST(BpeTrainer, MergesApplyFromTheLeftAndEarliestFirst) {
  BpeMerges merges;
  merges.add({0, 0, 1});  // aa
  merges.add({1, 1, 2});  // aaaa
  merges.add({0, 3, 4});  // ab
  const auto applied = [&](std::vector<std::int32_t> symbols) {
    merges.apply(symbols);
    return symbols;
  };
  EXPECT_THAT(applied({}), ElementsAre());
  EXPECT_THAT(applied({0}), ElementsAre(0));
  EXPECT_THAT(applied({0, 0, 0}), ElementsAre(1, 0));
  EXPECT_THAT(applied({0, 0, 0, 0, 0, 0, 0}), ElementsAre(2, 1, 0));
  EXPECT_THAT(applied({0, 0, 3}), ElementsAre(1, 3));
  EXPECT_THAT(applied({0, 0, 0, 3}), ElementsAre(1, 4));
}

TEST(BpeTrainer, ALongWordTakesTimeInProportion) {
  // Half a million equal letters and half a million different pairs: quadratic work would not end.
  std::string text(500000, 'a');
  std::mt19937 random(1);
  for (int i = 0; i < 500000; ++i)
    text.push_back(static_cast<char>('b' + random() % 25));
  const TrainedBpe bpe = train(text, 600);
  EXPECT_EQ(bpe.size(), 600);
  const auto tokenizer = parse_tokenizer(tokenizer_json_of(bpe, ""), "ours");
  std::string back;
  for (const std::int32_t id : [&] {
         std::vector<std::int32_t> ids;
         for (const Token& token : tokenizer->encode(text, 2000000).tokens)
           ids.push_back(token.id);
         return ids;
       }())
    back += bpe.pieces[static_cast<std::size_t>(id)];
  EXPECT_EQ(back, text);
}

TEST(BpeTrainer, TextsAreCutAlikeInStretchesAndWhole) {
  std::mt19937 random(5);
  const std::u32string letters = U"abc'st  12 \n\t.é\u00a0你";
  std::string text;
  while (text.size() < 700000)
    append_utf8(text, letters[random() % letters.size()]);
  const TextWords words = count_words(text, {}, {});
  std::size_t n_invalid = 0;
  const Glyphs glyphs = to_glyphs(text, n_invalid);
  std::vector<GlyphRange> ranges;
  split_byte_level(glyphs, {0, glyphs.size()}, ranges);
  ASSERT_EQ(words.order.size(), ranges.size());
  std::vector<std::int64_t> counts(words.words.size());
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const std::size_t begin = glyphs[ranges[i].begin].begin, end = glyphs[ranges[i].end - 1].end;
    ASSERT_EQ(words.words[words.order[i]].bytes, std::string_view(text).substr(begin, end - begin)) << i;
    ++counts[words.order[i]];
  }
  for (std::size_t i = 0; i < counts.size(); ++i)
    EXPECT_EQ(words.words[i].count, counts[i]);
}

TEST(BpeTrainer, SaysThatTheBytesDoNotFit) {
  EXPECT_EQ(message_of([] {
              train_bpe({}, {.vocabulary = 257, .special_tokens = {"<bos>", "<mask>"}});
            }),
            "a vocabulary of 257 is too small: the 256 bytes and 2 special tokens take 258");
}

TEST(BpeTrainer, StopsWhenAskedAndReportsProgress) {
  const std::string text = read_text_file(kSource / "assets/text/heldout-grammar.txt", 1u << 20);
  const TextWords words = count_words(text, {}, {});
  std::stop_source source;
  std::vector<double> shares;
  BpeTrainerOptions options{.vocabulary = 500, .on_progress = [&](double share) {
                              shares.push_back(share);
                              if (share > 0.5) source.request_stop();
                            }};
  options.stop = source.get_token();
  EXPECT_THROW(train_bpe(words.words, options), Cancelled);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.front(), 0);
  EXPECT_GT(shares.back(), 0.5);
  EXPECT_LT(shares.back(), 0.6);
}

}  // namespace
}  // namespace headroom
