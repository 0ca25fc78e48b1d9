#include <gmock/gmock.h>

#include "core/formats/byte_level.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_files::message_of;

const std::string kByteLevel = R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false})";

std::string bpe(const std::string& vocab, const std::string& merges, const std::string& more = "") {
  return R"("model":{"type":"BPE",)" + more + R"("vocab":)" + vocab + R"(,"merges":)" + merges + "}";
}
std::unique_ptr<Tokenizer> parse(const std::string& members) { return parse_tokenizer("{" + members + "}", "t.json"); }
std::string message(const std::string& members) {
  return message_of([&] { parse(members); });
}

/// The bytes of "café ☕", a space and what merges make of them; the merges of both spellings.
std::unique_ptr<Tokenizer> cafe() {
  return parse(kByteLevel + "," +
               bpe(R"({"c":0,"a":1,"f":2,"Ã":3,"©":4,"Ġ":5,"â":6,"ĺ":7,"ķ":8,"ca":9,"Ã©":10,"caf":11,"Ġca":12,"<unk>":13})",
                   R"(["c a", ["Ã","©"], "ca f", "Ġ ca"])", R"("unk_token":"<unk>",)"));
}

TEST(BpeModel, TokensKnowTheTextThatTheyStandFor) {
  const Encoding encoding = cafe()->encode("café ca☕", 100);
  std::vector<std::string> spelled, sources;
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  for (const Token& token : encoding.tokens) {
    spelled.push_back(token.text);
    sources.push_back(token.source);
    ranges.emplace_back(token.begin, token.end);
  }
  EXPECT_THAT(spelled, ElementsAre("caf", "Ã©", "Ġca", "â", "ĺ", "ķ"));
  // Bytes of one character have no text of their own: each stands for the whole character.
  EXPECT_THAT(sources, ElementsAre("caf", "é", " ca", "☕", "☕", "☕"));
  EXPECT_THAT(ranges,
              ElementsAre(std::pair(0, 3), std::pair(3, 5), std::pair(5, 8), std::pair(8, 11), std::pair(8, 11), std::pair(8, 11)));
}

TEST(BpeModel, AByteThatIsMissingIsUnknownAndPartsTheWord) {
  const Encoding encoding = cafe()->encode("cazca", 100);
  ASSERT_EQ(encoding.tokens.size(), 3u);
  EXPECT_EQ(encoding.tokens[0].id, 9);
  EXPECT_EQ(encoding.tokens[1].id, 13);
  EXPECT_TRUE(encoding.tokens[1].is_unknown);
  EXPECT_EQ(encoding.tokens[1].source, "z");
  EXPECT_EQ(encoding.tokens[2].id, 9);
  // Without an unknown token it is left out, as in the reference, and told.
  const Encoding dropped = parse(kByteLevel + "," + bpe(R"({"a":0})", "[]"))->encode("abcda", 10);
  ASSERT_EQ(dropped.tokens.size(), 2u);
  EXPECT_EQ(dropped.tokens[1].begin, 4u);
  EXPECT_THAT(dropped.notices, ElementsAre("3 characters for which the vocabulary has no token were left out."));
  const auto without = parse(kByteLevel + "," + bpe(R"({"a":0})", "[]", R"("unk_token":"<unk>",)"));
  EXPECT_EQ(without->encode("aa", 10).tokens.size(), 2u);
  EXPECT_THAT(message_of([&] { without->encode("ab", 10); }),
              HasSubstr("\"b\" is not in the vocabulary, and neither is its unk_token \"<unk>\""));
}

TEST(BpeModel, MayReadTheTextAsOneWord) {
  const std::string vocab = R"({"a":0,"Ġ":1,"aĠ":2,"Ġa":3})", merges = R"(["a Ġ","Ġ a"])";
  const auto ids = [](const Tokenizer& tokenizer) {
    std::vector<std::int32_t> result;
    for (const Token& token : tokenizer.encode("a a a", 10).tokens)
      result.push_back(token.id);
    return result;
  };
  EXPECT_THAT(ids(*parse(kByteLevel + "," + bpe(vocab, merges))), ElementsAre(0, 3, 3));
  EXPECT_THAT(
      ids(*parse(R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":false},)" + bpe(vocab, merges))),
      ElementsAre(2, 2, 0));
}

TEST(BpeModel, WorksAfterOtherStepsAndWithItsOwnPostProcessor) {
  const std::string steps =
      R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"ByteLevel","add_prefix_space":false}]})";
  const auto tokenizer = parse(steps + R"(,"post_processor":{"type":"ByteLevel","trim_offsets":true},)" +
                               bpe(R"({"a":0,"b":1,"ab":2})", R"(["a b"])"));
  const Encoding encoding = tokenizer->encode("ab  b", 10);
  ASSERT_EQ(encoding.tokens.size(), 2u);
  EXPECT_EQ(encoding.tokens[0].id, 2);
  EXPECT_EQ(encoding.tokens[1].id, 1);
}

TEST(BpeModel, WordsAreCutAsGpt2CutsThem) {
  std::size_t n_invalid = 0;
  const std::string text = "It's we'll  go-on\n\n 12th é½ \t'tis  ";
  const Glyphs glyphs = to_glyphs(text, n_invalid);
  std::vector<GlyphRange> ranges;
  split_byte_level(glyphs, {0, glyphs.size()}, ranges);
  std::vector<std::string> words;
  for (const GlyphRange& range : ranges)
    words.push_back(text.substr(glyphs[range.begin].begin, glyphs[range.end - 1].end - glyphs[range.begin].begin));
  EXPECT_THAT(words, ElementsAre("It", "'s", " we", "'ll", " ", " go", "-", "on", "\n\n", " 12", "th", " é", "½", " ", "\t", "'t",
                                 "is", "  "));
}

TEST(BpeModel, EveryByteHasACharacterOfItsOwn) {
  std::u32string all(byte_characters().begin(), byte_characters().end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
  EXPECT_EQ(byte_characters()[' '], U'Ġ');
  EXPECT_EQ(byte_characters()['\n'], U'Ċ');
  EXPECT_EQ(byte_characters()[0], U'Ā');
  EXPECT_EQ(byte_characters()['A'], U'A');
  for (const char32_t c : byte_characters())
    EXPECT_FALSE(is_white_space(c));
}

TEST(BpeModel, BadFilesGetOneSentence) {
  const std::string vocab = R"({"a":0,"b":1,"ab":2})";
  const auto with = [&](const std::string& model) { return message(kByteLevel + "," + model); };
  EXPECT_THAT(with(R"("model":{"type":"BPE","vocab":{"a":0}})"), HasSubstr("t.json: model needs a list \"merges\""));
  EXPECT_THAT(with(bpe("{}", "[]")), HasSubstr("empty vocab"));
  EXPECT_THAT(with(bpe(vocab, R"(["ab"])")), HasSubstr("merges[0] is \"ab\", where two texts"));
  EXPECT_THAT(with(bpe(vocab, R"(["a b c"])")), HasSubstr("merges[0] is \"a b c\""));
  EXPECT_THAT(with(bpe(vocab, R"([["a"]])")), HasSubstr("merges[0] is a list"));
  EXPECT_THAT(with(bpe(vocab, R"([["a",1]])")), HasSubstr("merges[0] is a list"));
  EXPECT_THAT(with(bpe(vocab, "[7]")), HasSubstr("merges[0] is 7"));
  EXPECT_THAT(with(bpe(vocab, R"(["a c"])")), HasSubstr("merges[0] needs \"c\", which is not in the vocab"));
  EXPECT_THAT(with(bpe(vocab, R"(["a b","b a"])")), HasSubstr("merges[1] needs \"ba\", which is not in the vocab"));
  EXPECT_THAT(with(bpe(vocab, "[]", R"("dropout":2,)")), HasSubstr("dropout of 2, where a number from 0 to 1"));
  for (const char* name : {"byte_fallback", "ignore_merges", "fuse_unk"})
    EXPECT_THAT(with(bpe(vocab, "[]", std::string("\"").append(name).append("\":5,"))),
                HasSubstr(std::string("model has ").append(name).append(" = 5")));
  EXPECT_THAT(with(bpe(vocab, "[]", R"("unk_token":5,)")), HasSubstr("unk_token that is 5"));
  EXPECT_EQ(
      with(bpe(vocab, "[]", R"("dropout":null,"continuing_subword_prefix":"","end_of_word_suffix":null,"byte_fallback":false,)")),
      "");
}

}  // namespace
}  // namespace headroom
