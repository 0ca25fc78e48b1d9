#include <gmock/gmock.h>

#include <algorithm>

#include "core/formats/file.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "tests/formats/golden_texts.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing_files::GoldenTexts;
using testing_files::WordHash;

constexpr std::size_t kBlock = 100;     // texts that share a hash
constexpr std::size_t kAll = 1u << 20;  // more tokens than any text has
constexpr std::size_t kMostShown = 3;   // blocks that a failure names

std::filesystem::path folder_of(const std::string& family) {
  return std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/tokenizers" / family;
}

/// The template's tokens have no place in the reference.
bool has_place(const Token& token) { return token.begin < token.end || !token.is_special; }

void add(WordHash& hash, const Encoding& encoding) {
  hash.add(encoding.tokens.size());
  for (const Token& token : encoding.tokens) {
    hash.add(static_cast<std::uint32_t>(token.id));
    hash.add(has_place(token) ? token.begin : 0);
    hash.add(has_place(token) ? token.end : 0);
  }
}

void add_pair(WordHash& hash, const Encoding& encoding) {
  hash.add(encoding.tokens.size());
  for (const Token& token : encoding.tokens) {
    hash.add(static_cast<std::uint32_t>(token.id));
    hash.add(static_cast<std::uint32_t>(token.type));
    hash.add(has_place(token) ? token.begin : 0);
    hash.add(has_place(token) ? token.end : 0);
  }
}

/// Against the reference implementation, on 20,000 generated texts of all scripts with each family's own pipeline:
/// tests/golden/make_tokenizer_family_golden.py.
class TokenizerFamily : public ::testing::TestWithParam<const char*> {
 protected:
  TokenizerFamily()
      : golden_(read_json_file(folder_of(GetParam()) / "hashes.json", 1u << 20)),
        texts_(golden_.root.find("seed")->unsigned_value, specials()) {}

  void SetUp() override {
    const std::string problem =
        testing_files::message_of([&] { tokenizer_ = load_tokenizer(folder_of(GetParam()) / "tokenizer.json"); });
    if (problem.find("needs ICU") != std::string::npos) GTEST_SKIP() << problem;
    ASSERT_EQ(problem, "");
  }

  std::vector<std::string> specials() const {
    std::vector<std::string> result;
    for (const JsonValue& special : golden_.root.find("specials")->items)
      result.push_back(special.string);
    return result;
  }

  /// Compares the hashes of a list; `put` adds what came out of text i.
  template <typename Put>
  void compare(const char* list, const Put& put) const {
    const std::vector<JsonValue>& blocks = golden_.root.find(list)->items;
    ASSERT_GE(blocks.size(), 20u);
    std::size_t n_wrong = 0;
    std::vector<std::size_t> first;  // texts of the first wrong blocks
    for (std::size_t block = 0; block < blocks.size(); ++block) {
      WordHash hash;
      for (std::size_t i = block * kBlock; i < (block + 1) * kBlock; ++i)
        put(hash, i);
      if (hash.hex() == blocks[block].string) continue;
      if (++n_wrong <= kMostShown) first.push_back(block * kBlock);
    }
    EXPECT_EQ(n_wrong, 0u) << list << ": of " << blocks.size() << " blocks; they begin at the texts "
                           << ::testing::PrintToString(first);
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  JsonDocument golden_;
  GoldenTexts texts_;
};

TEST_P(TokenizerFamily, IdsOffsetsAndDecodedTextsAreTheReferences) {
  std::vector<std::vector<std::int32_t>> ids;
  compare("texts", [&](WordHash& hash, std::size_t i) {
    const Encoding encoding = tokenizer_->encode(texts_.make(i), kAll);
    add(hash, encoding);
    std::vector<std::int32_t>& row = ids.emplace_back();
    for (const Token& token : encoding.tokens)
      row.push_back(token.id);
  });
  compare("decoded", [&](WordHash& hash, std::size_t i) {
    for (const char32_t c : to_utf32(tokenizer_->decode(ids[i], i % 2 == 0 ? SpecialTokens::kLeftOut : SpecialTokens::kKept)))
      hash.add(c);
  });
}

TEST_P(TokenizerFamily, PairsAreTheReferences) {
  const bool has_pairs = golden_.root.find("pairs") != nullptr;
  ASSERT_EQ(tokenizer_->has_pair_template(), has_pairs);
  if (!has_pairs) {
    EXPECT_EQ(testing_files::message_of([&] { tokenizer_->encode_pair("a", "b", 10); }),
              "this tokenizer has no template for a pair of texts");
    return;
  }
  compare("pairs", [&](WordHash& hash, std::size_t i) {
    add_pair(hash, tokenizer_->encode_pair(texts_.make(i), texts_.make(i + 1), kAll));
  });
}

/// The text of the tokens is in the text where they say.
TEST_P(TokenizerFamily, SourcesAreThePiecesOfTheText) {
  for (std::size_t i = 0; i < 500; ++i) {
    const std::string text = texts_.make(i);
    std::size_t last = 0;
    for (const Token& token : tokenizer_->encode(text, kAll).tokens) {
      ASSERT_LE(token.begin, token.end);
      ASSERT_LE(token.end, text.size());
      ASSERT_EQ(token.source, text.substr(token.begin, token.end - token.begin));
      ASSERT_TRUE(!find_invalid_utf8(token.source)) << i;
      if (token.begin == token.end) continue;  // a special token, or a space that was put before a word
      ASSERT_GE(token.begin, last) << "tokens stand in the order of the text";
      last = token.begin;
    }
  }
}

TEST_P(TokenizerFamily, InvalidBytesAreReadAsReplacementCharacters) {
  const std::string invalid = "caf\xC3 \xFF\xFE the \xED\xA0\x80 x\xE2\x98",
                    valid = "caf\uFFFD \uFFFD\uFFFD the \uFFFD\uFFFD\uFFFD x\uFFFD";
  const Encoding a = tokenizer_->encode(invalid, kAll), b = tokenizer_->encode(valid, kAll);
  ASSERT_EQ(a.tokens.size(), b.tokens.size());
  for (std::size_t i = 0; i < a.tokens.size(); ++i)
    EXPECT_EQ(a.tokens[i].id, b.tokens[i].id);
  EXPECT_THAT(a.notices, ::testing::Contains("8 bytes of invalid UTF-8 were replaced."));
}

TEST_P(TokenizerFamily, SpecialTokensOfTheTextAreMarked) {
  const std::string special = golden_.root.find("specials")->items[0].string;
  const std::string text = "the " + special + "cat";
  const Encoding encoding = tokenizer_->encode(text, kAll);
  const auto found = std::find_if(encoding.tokens.begin(), encoding.tokens.end(),
                                  [&](const Token& token) { return token.is_special && token.begin < token.end; });
  ASSERT_NE(found, encoding.tokens.end());
  EXPECT_EQ(found->id, tokenizer_->token_id(special));
  EXPECT_EQ(found->source, special);
}

const auto kName = [](const auto& info) { return std::string(info.param); };
INSTANTIATE_TEST_SUITE_P(Families, TokenizerFamily,
                         ::testing::Values("gpt2", "roberta", "bart", "gpt_neox", "llama3", "qwen2", "gpt4", "starcoder", "llama2",
                                           "llama2_new", "phi3", "gemma", "bert_uncased", "bert_cased", "distilbert", "gpt1", "t5",
                                           "t5_strip"),
                         kName);

}  // namespace
}  // namespace headroom
