#include "core/corpus/text_corpus.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::message_of;
using testing_files::TemporaryFolder;

/// Lines of made-up words, common ones often.
std::string some_text(std::size_t n_bytes) {
  std::mt19937 random(11);
  std::vector<std::string> words;
  for (int w = 0; w < 600; ++w) {
    words.emplace_back();
    for (std::size_t syllables = 1 + random() % 3; syllables > 0; --syllables) {
      words.back() += "bcdfglmnprst"[random() % 12];
      append_utf8(words.back(), U"aeiouä"[random() % 6]);
    }
  }
  std::string text;
  while (text.size() < n_bytes) {
    const double u = static_cast<double>(random()) * 0x1p-32;
    text += words[static_cast<std::size_t>(u * u * 600)];
    text += random() % 12 == 0 ? ".\n" : " ";
  }
  return text;
}

std::vector<std::int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::int32_t> ids;
  for (const Token& token : tokenizer.encode(text, 1000000).tokens)
    ids.push_back(token.id);
  return ids;
}

struct Opened {
  std::string text = some_text(120000);
  TemporaryFolder folder;
  std::shared_ptr<const TextCorpus> corpus = open_text(folder.file("story.txt", text), {.vocabulary = 600});
  std::vector<std::int32_t> tokens = [this] {  // the whole text, without <bos>
    std::vector<std::int32_t> ids = ids_of(*corpus->tokenizer(), text);
    ids.erase(ids.begin());
    return ids;
  }();
  /// Is token `i` of the text in a held-out block?
  bool is_held_out(std::size_t i) const {
    const auto block = static_cast<std::size_t>(corpus->facts().block);
    return i / block % 20 == 19;
  }
};

const Opened& opened() {
  static const Opened value;
  return value;
}

TEST(TextCorpus, KnowsWhatItRead) {
  const TextFacts& facts = opened().corpus->facts();
  EXPECT_EQ(opened().corpus->name(), "story.txt");
  EXPECT_EQ(facts.n_bytes, opened().text.size());
  EXPECT_EQ(facts.file_bytes, facts.n_bytes);
  EXPECT_EQ(facts.vocabulary, 600);
  EXPECT_EQ(opened().corpus->vocab_size(), 600);
  EXPECT_EQ(facts.n_tokens, std::ssize(opened().tokens));
  EXPECT_EQ(facts.block, 1024);
  EXPECT_GT(facts.n_tokens, 20 * 1024);
  EXPECT_EQ(facts.n_held_out, facts.n_tokens / (20 * 1024) * 1024);
  EXPECT_EQ(facts.n_training, facts.n_tokens - facts.n_held_out);
  EXPECT_THAT(facts.notices, IsEmpty());
  EXPECT_FALSE(opened().corpus->has_known_floor());
  EXPECT_EQ(opened().corpus->unknown_id(), -1);
  const auto tokenizer = opened().corpus->tokenizer();
  EXPECT_EQ(tokenizer->token_text(opened().corpus->bos_id()), "<bos>");
  EXPECT_EQ(tokenizer->token_text(opened().corpus->mask_id()), "<mask>");
}

TEST(TextCorpus, ItsTokenizerFileGivesTheSameTokens) {
  const TemporaryFolder folder;
  const auto loaded = load_tokenizer(folder.file("tokenizer.json", opened().corpus->tokenizer_json()));
  EXPECT_EQ(ids_of(*loaded, opened().text), ids_of(*opened().corpus->tokenizer(), opened().text));
  EXPECT_EQ(loaded->vocab_size(), 600);
  EXPECT_THAT(loaded->load_notices(), IsEmpty());
}

TEST(TextCorpus, RowsAreStretchesOfTheTextAndStreamsNeverMeet) {
  const std::vector<std::int32_t>& tokens = opened().tokens;
  for (const Stream stream : {Stream::kTraining, Stream::kHeldOut}) {
    for (std::int64_t index = 0; index < 60; ++index) {
      const CorpusRow row = opened().corpus->row(stream, 4, index, 48);
      ASSERT_EQ(row.ids.size(), 48u);
      EXPECT_EQ(row.ids[0], 0);
      EXPECT_THAT(row.links, IsEmpty());
      EXPECT_THAT(row.choices, IsEmpty());
      EXPECT_THAT(row.surprisals, IsEmpty());
      bool is_found = false;
      for (auto at = tokens.begin(); !is_found; ++at) {
        at = std::search(at, tokens.end(), row.ids.begin() + 1, row.ids.end());
        if (at == tokens.end()) break;
        const auto begin = static_cast<std::size_t>(at - tokens.begin());
        is_found = true;
        for (std::size_t i = begin; i < begin + 47; ++i)
          is_found = is_found && opened().is_held_out(i) == (stream == Stream::kHeldOut);
      }
      EXPECT_TRUE(is_found) << index;
    }
  }
}

TEST(TextCorpus, RowsBeginEverywhereAlikeOften) {
  // Where training rows lie: each of four quarters of the text is read about equally often.
  const std::vector<std::int32_t>& tokens = opened().tokens;
  std::vector<int> quarters(4);
  std::set<std::vector<std::int32_t>> held_out;
  for (std::int64_t index = 0; index < 400; ++index) {
    const CorpusRow row = opened().corpus->row(Stream::kTraining, 1, index, 32);
    const auto at = std::search(tokens.begin(), tokens.end(), row.ids.begin() + 1, row.ids.end());
    ++quarters[static_cast<std::size_t>(4 * (at - tokens.begin()) / std::ssize(tokens))];
    held_out.insert(opened().corpus->row(Stream::kHeldOut, 1, index, 32).ids);
  }
  for (const int n : quarters)
    EXPECT_NEAR(n, 100, 45);
  EXPECT_GT(held_out.size(), 300u);
}

TEST(TextCorpus, RowsAreAPureFunctionOfStreamSeedAndIndex) {
  const TextCorpus& corpus = *opened().corpus;
  const auto ids = [&](Stream stream, std::uint64_t seed, std::int64_t index) { return corpus.row(stream, seed, index, 40).ids; };
  const std::vector<std::int32_t> first = ids(Stream::kTraining, 7, 3);
  EXPECT_EQ(first, ids(Stream::kTraining, 7, 3));
  EXPECT_NE(first, ids(Stream::kTraining, 8, 3));
  EXPECT_NE(first, ids(Stream::kTraining, 7, 4));
  EXPECT_NE(first, ids(Stream::kTraining, 7, 3 + (std::int64_t{1} << 32)));
  EXPECT_NE(first, ids(Stream::kHeldOut, 7, 3));
  std::vector<std::int32_t> same(40);
  corpus.row_ids(Stream::kTraining, 7, 3, same);
  EXPECT_EQ(first, same);
}

TEST(TextCorpus, ARowLongerThanABlockGoesOnWithAnother) {
  const CorpusRow row = opened().corpus->row(Stream::kHeldOut, 1, 0, 2500);
  std::vector<std::size_t> begins;
  for (std::size_t i = 0; i < row.ids.size(); ++i)
    if (row.ids[i] == 0) begins.push_back(i);
  EXPECT_THAT(begins, ElementsAre(0, 1025, 2050));
  for (const std::size_t begin : {std::size_t{0}, std::size_t{1025}}) {  // both are a held-out block from end to end
    bool is_block = false;
    for (std::int64_t period = 0; period * 1024 < opened().corpus->facts().n_held_out; ++period)
      is_block = is_block || std::equal(row.ids.begin() + static_cast<std::ptrdiff_t>(begin) + 1,
                                        row.ids.begin() + static_cast<std::ptrdiff_t>(begin) + 1025,
                                        opened().tokens.begin() + (period * 20 + 19) * 1024);
    EXPECT_TRUE(is_block) << begin;
  }
  EXPECT_THAT(opened().corpus->row(Stream::kTraining, 1, 0, 1).ids, ElementsAre(0));
}

TEST(TextCorpus, AShortTextHoldsOutItsTwentiethPart) {
  const TemporaryFolder folder;
  const auto corpus = open_text(folder.file("short.txt", some_text(5000)), {.vocabulary = 300});
  const TextFacts& facts = corpus->facts();
  EXPECT_EQ(facts.block, facts.n_tokens / 20);
  EXPECT_EQ(facts.n_held_out, facts.block);
  EXPECT_EQ(facts.n_training, 19 * facts.block);
  EXPECT_EQ(corpus->row(Stream::kHeldOut, 0, 0, 48).ids.size(), 48u);
}

TEST(TextCorpus, SaysWhenTheTextGivesASmallerVocabulary) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 2000; ++i)
    text += i % 2 == 0 ? "x y z " : "y z\n";
  const auto corpus = open_text(folder.file("poor.txt", text), {.vocabulary = 4000});
  EXPECT_LT(corpus->vocab_size(), 300);
  EXPECT_EQ(corpus->tokenizer()->vocab_size(), corpus->vocab_size());
  EXPECT_THAT(corpus->facts().notices,
              ElementsAre("The text gives a vocabulary of " + std::to_string(corpus->vocab_size()) +
                          " pieces, not 4,000: after that no two neighbouring pieces occur together twice."));
}

TEST(TextCorpus, ReadsTheBeginningOfALargeFileUpToALinesEnd) {
  const TemporaryFolder folder;
  const std::string text = some_text(30000);
  const std::size_t line = text.rfind('\n', 19999);
  const auto corpus = open_text(folder.file("large.txt", text), {.vocabulary = 300, .max_bytes = 20000});
  EXPECT_EQ(corpus->facts().n_bytes, line + 1);
  EXPECT_THAT(corpus->facts().notices, ElementsAre(HasSubstr("large.txt has " + counted(text.size(), "byte") + "; the first " +
                                                             with_thousands(line + 1) + " are read.")));
  // One line: not through a code point.
  std::string single;
  while (single.size() < 30000)
    single += "äöü€";
  for (std::uint64_t limit = 20000; limit < 20009; ++limit) {
    const auto cut = open_text(folder.file("line.txt", single), {.vocabulary = 258, .max_bytes = limit});
    EXPECT_LE(cut->facts().n_bytes, limit);
    EXPECT_GT(cut->facts().n_bytes + 4, limit);
  }
}

TEST(TextCorpus, BadFilesGetOneSentence) {
  const TemporaryFolder folder;
  const auto message = [&](std::string_view bytes) { return message_of([&] { open_text(folder.file("a.txt", bytes)); }); };
  EXPECT_THAT(message(""), HasSubstr("a.txt: holds no text"));
  EXPECT_THAT(message(" \n\t\n"), HasSubstr("a.txt: holds no text"));
  EXPECT_THAT(message("a few words"),
              HasSubstr("a.txt: is too short to train on: it gives 11 tokens, and at least 1,000 are needed"));
  EXPECT_THAT(message(some_text(9000) + std::string(1, '\0') + "x"), HasSubstr("a.txt: is no text: byte 9,0"));
  EXPECT_THAT(message(some_text(9000) + "\xFF" + "x"), HasSubstr("is 0xFF, which is no UTF-8"));
  EXPECT_THAT(message({"\x7F\x45LF\x02\x01\x01\0\0\0", 10}), HasSubstr("a.txt: is no text: byte 7 (line 1) is a NUL"));
  EXPECT_THAT(message(std::string("\xFF\xFE"
                                  "a\0b\0",
                                  6)),
              HasSubstr("is written in UTF-16; save it as UTF-8"));
  EXPECT_THAT(message_of([&] { open_text(folder / "none.txt"); }), HasSubstr("No such file"));
  EXPECT_THAT(message_of([&] { open_text(folder.path()); }), HasSubstr(folder.path().native()));
}

TEST(TextCorpus, ImpossibleVocabulariesGetOneSentence) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.file("a.txt", some_text(9000));
  for (const std::int64_t vocabulary :
       {std::int64_t{-1}, std::int64_t{0}, std::int64_t{257}, std::int64_t{65537}, std::int64_t{1} << 40}) {
    EXPECT_THAT(message_of([&] { open_text(path, {.vocabulary = vocabulary}); }),
                HasSubstr("from 258 (the bytes and two special tokens) to 65,536 can"))
        << vocabulary;
  }
  EXPECT_EQ(open_text(path, {.vocabulary = 258})->vocab_size(), 258);
}

TEST(TextCorpus, ReportsItsStagesAndStops) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.file("a.txt", some_text(60000));
  std::vector<std::string> stages;
  TextCorpusOptions options{.vocabulary = 400, .on_progress = [&](const std::string& stage, double share) {
                              EXPECT_TRUE(share >= 0 && share <= 1);
                              if (stages.empty() || stages.back() != stage) stages.push_back(stage);
                            }};
  open_text(path, options);
  EXPECT_THAT(stages, ElementsAre("counting words", "learning the vocabulary"));
  for (const char* when : {"counting words", "learning the vocabulary"}) {
    std::stop_source source;
    options.on_progress = [&](const std::string& stage, double) {
      if (stage == when) source.request_stop();
    };
    options.stop = source.get_token();
    EXPECT_THROW(open_text(path, options), Cancelled) << when;
  }
}

}  // namespace
}  // namespace headroom
