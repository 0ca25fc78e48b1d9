#include <gmock/gmock.h>

#include "core/formats/tokenizer.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::message_of;
using testing_files::TemporaryFolder;

std::vector<std::int32_t> ids_of(const Encoding& encoding) {
  std::vector<std::int32_t> ids;
  for (const Token& token : encoding.tokens)
    ids.push_back(token.id);
  return ids;
}

std::vector<std::int32_t> types_of(const Encoding& encoding) {
  std::vector<std::int32_t> types;
  for (const Token& token : encoding.tokens)
    types.push_back(token.type);
  return types;
}

const char* const kBertVocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n##s\nThe\ncafe\n.\n";

TEST(FolderTokenizer, VocabTxtIsBerts) {
  const TemporaryFolder folder;
  folder.file("vocab.txt", kBertVocab);
  const auto tokenizer = load_folder_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 11);
  EXPECT_EQ(tokenizer->unknown_id(), 1);
  const Encoding encoding = tokenizer->encode("The Cats café.[MASK]", 100);
  EXPECT_THAT(ids_of(encoding), ElementsAre(2, 5, 6, 7, 9, 10, 4, 3));
  EXPECT_EQ(encoding.tokens[3].source, "s");
  EXPECT_TRUE(encoding.tokens[6].is_special);
  EXPECT_EQ(tokenizer->decode(ids_of(encoding)), "the cats cafe.");
  EXPECT_EQ(tokenizer->decode(ids_of(encoding), SpecialTokens::kKept), "[CLS] the cats cafe. [MASK] [SEP]");
}

TEST(FolderTokenizer, VocabTxtKeepsCapitalsWhenToldSo) {
  const TemporaryFolder folder;
  folder.file("vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nThe\r\nthe\r\n");
  folder.file("tokenizer_config.json", R"({"do_lower_case":false})");
  EXPECT_THAT(ids_of(load_folder_tokenizer(folder.path())->encode("The the THE", 100)), ElementsAre(2, 4, 5, 1, 3));
}

TEST(FolderTokenizer, APairHasTokenTypesAndOffsetsInEachText) {
  const TemporaryFolder folder;
  folder.file("vocab.txt", kBertVocab);
  const auto tokenizer = load_folder_tokenizer(folder.path());
  ASSERT_TRUE(tokenizer->has_pair_template());
  const Encoding pair = tokenizer->encode_pair("the cats", "cat the", 100);
  EXPECT_THAT(ids_of(pair), ElementsAre(2, 5, 6, 7, 3, 6, 5, 3));
  EXPECT_THAT(types_of(pair), ElementsAre(0, 0, 0, 0, 0, 1, 1, 1));
  EXPECT_EQ(pair.tokens[6].part, 1);
  EXPECT_EQ(pair.tokens[6].begin, 4u);
  EXPECT_EQ(pair.tokens[6].source, "the");
  EXPECT_EQ(pair.tokens[3].part, 0);
  EXPECT_EQ(pair.tokens[7].begin, 7u) << "the last sign stands at the second text's end";
  const Encoding cut = tokenizer->encode_pair("the cats", "cat the", 5);
  EXPECT_EQ(cut.tokens.size(), 5u);
  EXPECT_THAT(cut.notices, ElementsAre("The text has 8 tokens; the first 5 are shown."));
}

TEST(FolderTokenizer, VocabJsonAndMergesAreByteLevel) {
  const TemporaryFolder folder;
  folder.file("vocab.json", R"({"a":0,"b":1,"Ġ":2,"ab":3,"Ġab":4,"<|endoftext|>":5})");
  folder.file("merges.txt", "#version: 0.2\na b\nĠ ab\n");
  const auto tokenizer = load_folder_tokenizer(folder.path());
  EXPECT_THAT(ids_of(tokenizer->encode("ab ab<|endoftext|>b", 100)), ElementsAre(3, 4, 5, 1));
  EXPECT_FALSE(tokenizer->has_pair_template());
  const std::vector<std::int32_t> ids{3, 4, 5, 1};
  EXPECT_EQ(tokenizer->decode(ids), "ab abb");
}

TEST(FolderTokenizer, RobertaHasItsTemplateAndQwenItsDigits) {
  const TemporaryFolder roberta, qwen;
  roberta.file("vocab.json", R"({"<s>":0,"</s>":1,"a":2,"Ġ":3})");
  roberta.file("merges.txt", "");
  EXPECT_THAT(ids_of(load_folder_tokenizer(roberta.path())->encode("a a", 100)), ElementsAre(0, 2, 3, 2, 1));
  EXPECT_THAT(ids_of(load_folder_tokenizer(roberta.path())->encode_pair("a", "a", 100)), ElementsAre(0, 2, 1, 1, 2, 1));
  qwen.file("vocab.json", R"({"1":0,"11":1,"Ġ":2})");
  qwen.file("merges.txt", "1 1\n");
  qwen.file(
      "tokenizer_config.json",
      R"({"tokenizer_class":"Qwen2Tokenizer","added_tokens_decoder":{"4":{"content":"<b>"},"3":{"content":"<a>","special":true}}})");
  const auto tokenizer = load_folder_tokenizer(qwen.path());
  const Encoding encoding = tokenizer->encode("111<a><b>", 100);
  EXPECT_THAT(ids_of(encoding), ElementsAre(0, 0, 0, 3, 4)) << "digits stand alone";
  EXPECT_TRUE(encoding.tokens[3].is_special);
  EXPECT_FALSE(encoding.tokens[4].is_special);
}

TEST(FolderTokenizer, TokenizerJsonComesFirst) {
  const TemporaryFolder folder;
  folder.file("vocab.txt", kBertVocab);
  folder.file("tokenizer.json", R"({"model":{"type":"WordLevel","vocab":{"u":7},"unk_token":"u"}})");
  EXPECT_THAT(ids_of(load_folder_tokenizer(folder.path())->encode("the", 100)), ElementsAre(7));
}

TEST(FolderTokenizer, WhatIsMissingOrBadIsNamed) {
  const auto problem = [](const TemporaryFolder& folder) { return message_of([&] { load_folder_tokenizer(folder.path()); }); };
  const TemporaryFolder none, spiece, words, merges, invalid;
  EXPECT_EQ(problem(none), none.path().native() + ": there is no tokenizer.json, vocab.txt, or vocab.json with merges.txt");
  spiece.file("spiece.model", "x");
  EXPECT_THAT(problem(spiece), HasSubstr("spiece.model: is not read; a tokenizer.json beside it is"));
  words.file("vocab.json", R"({"cat</w>":0})");
  words.file("merges.txt", "");
  EXPECT_THAT(problem(words), HasSubstr("so it is no byte-level vocabulary"));
  merges.file("vocab.json", R"({"Ġ":0,"a":1})");
  merges.file("merges.txt", "#version: 0.2\nĠ a\n");
  EXPECT_THAT(problem(merges), HasSubstr("vocab.json: model: merges[1] needs \"Ġa\", which is not in the vocab"));
  invalid.file("vocab.txt", "a\n\xFF\n");
  EXPECT_THAT(problem(invalid), HasSubstr("vocab.txt: is not valid UTF-8 at byte 2"));
  const TemporaryFolder config;
  config.file("vocab.txt", kBertVocab);
  config.file("tokenizer_config.json", "[");
  EXPECT_THAT(problem(config), HasSubstr("tokenizer_config.json: is not valid JSON"));
}

TEST(IdsTokenizer, ReadsNumbersWithTheirPlaces) {
  const auto tokenizer = make_ids_tokenizer(1000);
  const Encoding encoding = tokenizer->encode(" 12, 55;901\n0", 100);
  EXPECT_THAT(ids_of(encoding), ElementsAre(12, 55, 901, 0));
  EXPECT_THAT(encoding.notices, IsEmpty());
  EXPECT_EQ(encoding.tokens[1].text, "55");
  EXPECT_EQ(encoding.tokens[1].source, "55");
  EXPECT_EQ(encoding.tokens[1].begin, 5u);
  EXPECT_EQ(encoding.tokens[1].end, 7u);
  EXPECT_EQ(tokenizer->decode(ids_of(encoding)), "12 55 901 0");
  EXPECT_EQ(tokenizer->vocab_size(), 1000);
  EXPECT_EQ(tokenizer->token_text(999), "999");
  EXPECT_EQ(tokenizer->token_text(1000), "");
  EXPECT_EQ(tokenizer->token_text(-1), "");
  EXPECT_EQ(tokenizer->token_id("7"), 7);
  EXPECT_EQ(tokenizer->token_id("1000"), -1);
  EXPECT_EQ(tokenizer->token_id("-1"), -1);
}

TEST(IdsTokenizer, WordsThatAreNoIdsAreNamedAndLeftOut) {
  const auto tokenizer = make_ids_tokenizer(10);
  const Encoding encoding = tokenizer->encode("1 cat 10 -3 2.5 99999999999999999999 2", 100);
  EXPECT_THAT(ids_of(encoding), ElementsAre(1, 2));
  EXPECT_THAT(encoding.notices, ElementsAre("\"cat\", \"10\", \"-3\" and 2 more are no token ids: they are integers from 0 to 9."));
  EXPECT_THAT(tokenizer->encode("x", 100).notices, ElementsAre("\"x\" is no token id: they are integers from 0 to 9."));
  EXPECT_THAT(make_ids_tokenizer(0)->encode("0", 100).notices, ElementsAre("\"0\" is no token id: there are none."));
  EXPECT_THAT(tokenizer->encode("1 2 3", 2).notices, ElementsAre("The text has 3 tokens; the first 2 are shown."));
  EXPECT_THAT(message_of([&] { tokenizer->encode_pair("1", "2", 10); }), HasSubstr("no template for a pair"));
}

}  // namespace
}  // namespace headroom
