#include <gmock/gmock.h>

#include "core/formats/tokenizer.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing_files::kModels;
using testing_files::message_of;
using testing_files::TemporaryFolder;

const std::string kModel = R"("model":{"type":"WordLevel","vocab":{"u":0,"a":1,"<s>":2},"unk_token":"u"})";

std::unique_ptr<Tokenizer> load(const std::string& json) {
  const TemporaryFolder folder;
  return load_tokenizer(folder.file("tokenizer.json", json));
}
std::string with(const std::string& more) { return "{" + more + "," + kModel + "}"; }
std::string model(const std::string& body) { return "{\"model\":" + body + "}"; }
std::string word_level(const std::string& vocab) {
  return model("{\"type\":\"WordLevel\",\"unk_token\":\"u\",\"vocab\":" + vocab + "}");
}
std::string post(const std::string& single, const std::string& specials) {
  return with(R"("post_processor":{"type":"TemplateProcessing","single":)" + single + ",\"special_tokens\":" + specials + "}");
}

struct BadTokenizer {
  const char* name;
  std::string json;
  std::vector<const char*> says;
};

std::vector<BadTokenizer> bad_tokenizers() {
  const std::string sequence = R"({"Sequence":{"id":"A","type_id":0}})";
  const std::string special = R"({"SpecialToken":{"id":"<s>","type_id":0}})";
  std::string deep;
  for (int i = 0; i < 60; ++i)
    deep += R"({"type":"Sequence","normalizers":[)";
  return {
      {"NotJson", "spam", {"not valid JSON"}},
      {"Array", "[]", {"must be an object, but it is a list"}},
      {"NoModel", "{}", {"has no \"model\""}},
      {"Version", with(R"("version":"2.0")"), {"version is \"2.0\""}},
      {"VersionNumber", with(R"("version":1.0)"), {"version is 1"}},
      {"ModelNull", model("null"), {"model must be an object, but it is null"}},
      {"ModelWithoutType", model("{}"), {"model needs a text \"type\""}},
      {"ModelUnknown",
       model(R"({"type":"Quantum","vocab":[]})"),
       {"model has the type \"Quantum\", which is not supported (BPE, Unigram, WordLevel, WordPiece are)"}},
      {"NoVocab", model(R"({"type":"WordLevel","unk_token":"u"})"), {"model needs an object \"vocab\""}},
      {"VocabList", word_level("[]"), {"model needs an object \"vocab\""}},
      {"VocabEmpty", word_level("{}"), {"empty vocab"}},
      {"NoUnknown", model(R"({"type":"WordLevel","vocab":{"a":0}})"), {"model needs a text \"unk_token\""}},
      {"IdNegative", word_level(R"({"u":0,"a":-1})"), {"gives \"a\" the id -1"}},
      {"IdFloat", word_level(R"({"u":0,"a":1.0})"), {"gives \"a\" the id 1"}},
      {"IdText", word_level(R"({"u":0,"a":"1"})"), {"gives \"a\" the id \"1\""}},
      {"Id2To31",
       word_level(R"({"u":0,"a":2147483648})"),
       {"gives \"a\" the id 2147483648, where an integer from 0 to 2147483647"}},
      {"Id2To32", word_level(R"({"u":0,"a":4294967296})"), {"the id 4294967296"}},
      {"NormalizerUnknown", with(R"("normalizer":{"type":"Quantum"})"), {"normalizer has the type \"Quantum\""}},
      {"NormalizerInSequence",
       with(R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Quantum"}]})"),
       {"type \"Quantum\""}},
      {"NormalizerText", with(R"("normalizer":"NFC")"), {"normalizer needs a text \"type\", but it is \"NFC\""}},
      {"NormalizerSequenceWithoutList", with(R"("normalizer":{"type":"Sequence"})"), {"needs a list \"normalizers\""}},
      {"NormalizerTooDeep",
       with("\"normalizer\":" + deep +
            [] {
              std::string close;
              for (int i = 0; i < 60; ++i)
                close += "]}";
              return close;
            }()),
       {"at most 8 deep"}},
      {"PreTokenizerUnknown", with(R"("pre_tokenizer":{"type":"Quantum"})"), {"pre_tokenizer has the type \"Quantum\""}},
      {"PreTokenizerBehavior",
       with(R"("pre_tokenizer":{"type":"Punctuation","behavior":"Eaten"})"),
       {"has the behavior \"Eaten\""}},
      {"PostUnknown", with(R"("post_processor":{"type":"Quantum"})"), {"post_processor has the type \"Quantum\""}},
      {"PostWithoutSingle", with(R"("post_processor":{"type":"TemplateProcessing"})"), {"needs a list \"single\""}},
      {"PostUnlistedSpecial",
       post("[" + special + "," + sequence + "]", "{}"),
       {"names the special token \"<s>\", which its special_tokens do not list"}},
      {"PostUnknownId",
       post("[" + special + "," + sequence + "]", R"({"<s>":{"id":"<s>","ids":[99],"tokens":["<s>"]}})"),
       {"names the id 99, which is not in the vocabulary"}},
      {"PostNegativeId",
       post("[" + special + "," + sequence + "]", R"({"<s>":{"id":"<s>","ids":[-1],"tokens":["<s>"]}})"),
       {"has -1"}},
      {"PostUnevenLists",
       post("[" + special + "," + sequence + "]", R"({"<s>":{"id":"<s>","ids":[2],"tokens":[]}})"),
       {"of one length"}},
      {"PostWithoutSequence",
       post("[" + special + "]", R"({"<s>":{"id":"<s>","ids":[2],"tokens":["<s>"]}})"),
       {"the Sequence \"A\" once"}},
      {"PostTwoSequences", post("[" + sequence + "," + sequence + "]", "{}"), {"the Sequence \"A\" once"}},
      {"PostStrangeItem", post("[7]", "{}"), {"must be a SpecialToken or a Sequence"}},
      {"AddedNotAList", with(R"("added_tokens":{})"), {"added_tokens must be a list"}},
      {"AddedWithoutContent", with(R"("added_tokens":[{"id":3}])"), {"added_tokens[0] needs a text \"content\""}},
      {"AddedIdNegative", with(R"("added_tokens":[{"id":-1,"content":"x"}])"), {"added_tokens[0] has the id -1"}},
      {"AddedIdMissing", with(R"("added_tokens":[{"content":"x"}])"), {"added_tokens[0] has the id (none)"}},
      {"AddedFlag", with(R"("added_tokens":[{"id":3,"content":"x","lstrip":1}])"), {"lstrip = 1, where true or false"}},
      {"AddedTooLong",
       with(R"("added_tokens":[{"id":3,"content":")" + std::string(2000, 'x') + "\"}]"),
       {"has a content of 2,000 bytes"}},
  };
}

class TokenizerHostile : public ::testing::TestWithParam<BadTokenizer> {};
TEST_P(TokenizerHostile, IsRefusedWithComponentAndReason) {
  const TemporaryFolder folder;
  const auto path = folder.file("tokenizer.json", GetParam().json);
  const std::string message = message_of([&] { load_tokenizer(path); });
  EXPECT_THAT(message, StartsWith(path.native() + ": "));
  for (const char* part : GetParam().says)
    EXPECT_THAT(message, HasSubstr(part));
  EXPECT_LT(message.size(), 400u);
}
const auto kName = [](const auto& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(Tokenizer, TokenizerHostile, ::testing::ValuesIn(bad_tokenizers()), kName);

TEST(TokenizerLoading, GapsAndSharedIdsAreAllowed) {
  const auto tokenizer = load(word_level(R"({"u":7,"a":3,"b":3})"));
  EXPECT_EQ(tokenizer->vocab_size(), 8);
  EXPECT_EQ(tokenizer->token_text(3), "a");
  EXPECT_EQ(tokenizer->token_id("b"), 3);
  EXPECT_EQ(tokenizer->token_text(4), "");
}

TEST(TokenizerLoading, HugeIdsCostNoMemory) { EXPECT_EQ(load(word_level(R"({"u":0,"a":2147483647})"))->vocab_size(), 2147483648); }

TEST(TokenizerLoading, UnknownTokenThatIsMissingMattersOnlyWhenNeeded) {
  const auto tokenizer = load(model(R"({"type":"WordLevel","vocab":{"a":0},"unk_token":"[UNK]"})"));
  EXPECT_EQ(tokenizer->unknown_id(), -1);
  EXPECT_EQ(tokenizer->encode("a", 10).tokens.size(), 1u);
  EXPECT_THAT(message_of([&] { tokenizer->encode("zebra", 10); }),
              HasSubstr("\"zebra\" is not in the vocabulary, and neither is its unk_token \"[UNK]\""));
  EXPECT_THAT(message_of([&] { tokenizer->ids_of_words("a zebra"); }), HasSubstr("\"zebra\" is not in the vocabulary"));
}

TEST(TokenizerLoading, AddedTokensGetTheIdsThatTheReferenceGives) {
  const auto tokenizer = load(
      with(R"("added_tokens":[{"id":9,"content":"a"},{"id":3,"content":"new"},{"id":5,"content":""},{"id":9,"content":"more"}])"));
  EXPECT_EQ(tokenizer->token_id("a"), 1);
  EXPECT_EQ(tokenizer->token_id("new"), 3);
  EXPECT_EQ(tokenizer->token_id("more"), 4);
  EXPECT_THAT(tokenizer->load_notices(), ElementsAre("The added token \"a\" declares id 9, but has id 1.",
                                                     "The added token \"more\" declares id 9, but has id 4."));
}

TEST(TokenizerLoading, WhatIsNotAppliedIsTold) {
  EXPECT_THAT(load(with(R"("truncation":{"max_length":4},"padding":{},"decoder":{"type":"Quantum"})"))->load_notices(),
              ElementsAre(AllOf(StartsWith("Tokens are written with spaces between them, because "),
                                HasSubstr("decoder has the type \"Quantum\"")),
                          "The tokenizer's truncation is not applied.", "The tokenizer's padding is not applied."));
  EXPECT_THAT(load(with(R"("truncation":null,"padding":null)"))->load_notices(), IsEmpty());
}

TEST(TokenizerLoading, TextAfterTheTemplateStandsAtTheEnd) {
  const auto tokenizer = load(
      post(R"([{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"<s>"}}])", R"({"<s>":{"id":"<s>","ids":[2],"tokens":["<s>"]}})"));
  const Encoding encoding = tokenizer->encode("a", 10);
  ASSERT_EQ(encoding.tokens.size(), 2u);
  EXPECT_EQ(encoding.tokens[1].id, 2);
  EXPECT_EQ(encoding.tokens[1].begin, 1u);
  EXPECT_EQ(encoding.tokens[1].end, 1u);
}

TEST(TokenizerLoading, ManyAddedTokensInAHostileTextStayLinear) {
  // Each of a thousand tokens almost matches at every position.
  std::string added;
  for (int i = 0; i < 1000; ++i)
    added += (i == 0 ? "" : ",") + std::string(R"({"id":3,"content":")") + std::string(200, 'a') + std::to_string(i) + "\"}";
  const auto tokenizer = load(with("\"added_tokens\":[" + added + "]"));
  EXPECT_EQ(tokenizer->encode(std::string(200000, 'a'), 10).tokens.size(), 1u);
}

}  // namespace
}  // namespace headroom
