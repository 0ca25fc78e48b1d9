#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::message_of;

// What a tokenizer may meet: damaged files, hostile patterns, strange texts; each with what must come of it.

std::unique_ptr<Tokenizer> parse(const std::string& members) { return parse_tokenizer("{" + members + "}", "t.json"); }
std::string problem(const std::string& members) {
  return message_of([&] { parse(members); });
}
std::vector<std::int32_t> ids_of(const Encoding& encoding) {
  std::vector<std::int32_t> ids;
  for (const Token& token : encoding.tokens)
    ids.push_back(token.id);
  return ids;
}
std::vector<std::int32_t> ids(const Tokenizer& tokenizer, std::string_view text) { return ids_of(tokenizer.encode(text, 1000)); }

const std::string kWords = R"("model":{"type":"WordLevel","vocab":{"u":0,"a":1,"b":2,"<s>":3},"unk_token":"u"})";
const std::string kSplitSpaces = R"("pre_tokenizer":{"type":"WhitespaceSplit"},)";

std::string bpe(const std::string& vocab, const std::string& merges, const std::string& more = "") {
  return R"("model":{"type":"BPE",)" + more + R"("vocab":)" + vocab + R"(,"merges":)" + merges + "}";
}
std::string split(const std::string& regex, const std::string& behavior = "Isolated") {
  return R"("pre_tokenizer":{"type":"Split","invert":false,"behavior":")" + behavior + R"(","pattern":{"Regex":")" + regex +
         "\"}},";
}
/// Whether this build has a regular expression engine.
bool has_regex() { return problem(split("x") + kWords).find("needs ICU") == std::string::npos; }

TEST(TokenizerRows, T02UnknownComponentsAreNamed) {
  EXPECT_THAT(problem(R"("version":"2.0",)" + kWords), HasSubstr("version is \"2.0\", but only \"1.0\" is known"));
  EXPECT_THAT(problem(R"("normalizer":{"type":"Quantum"},)" + kWords),
              HasSubstr("t.json: normalizer has the type \"Quantum\", which is not supported (BertNormalizer, "));
  EXPECT_THAT(problem(R"("pre_tokenizer":{"type":"UnicodeScripts"},)" + kWords),
              HasSubstr("pre_tokenizer has the type \"UnicodeScripts\", which is not supported"));
}

TEST(TokenizerRows, T03MergesAreChecked) {
  const std::string vocab = R"({"a":0,"b":1,"ab":2})";
  EXPECT_THAT(problem(bpe(vocab, R"(["ab"])")), HasSubstr("merges[0] is \"ab\", where two texts"));
  EXPECT_THAT(problem(bpe(vocab, R"(["a b","a b c"])")), HasSubstr("merges[1] is \"a b c\""));
  EXPECT_THAT(problem(bpe(vocab, R"([["a","b"],["a","b","a"]])")), HasSubstr("merges[1] is a list"));
  EXPECT_THAT(problem(bpe(vocab, R"(["a c"])")), HasSubstr("merges[0] needs \"c\", which is not in the vocab"));
  EXPECT_THAT(problem(bpe(vocab, R"(["a b","b a"])")), HasSubstr("merges[1] needs \"ba\", which is not in the vocab"));
}

TEST(TokenizerRows, T04AMergeLongerThanEveryTokenIsAnError) {
  EXPECT_THAT(problem(bpe(R"({"a":0,"b":1})", R"(["a b"])")), HasSubstr("merges[0] needs \"ab\", which is not in the vocab"));
  EXPECT_THAT(problem(bpe(R"({"a":0,"b":1})", R"(["a b"])", R"("continuing_subword_prefix":"##",)")),
              HasSubstr("merges[0] has the part \"b\", shorter than the continuing_subword_prefix \"##\""));
}

TEST(TokenizerRows, T05ATemplateWithAnUnlistedSpecialTokenIsAnError) {
  const std::string post = R"("post_processor":{"type":"TemplateProcessing","special_tokens":{},)";
  const std::string a = R"({"Sequence":{"id":"A","type_id":0}})", b = R"({"Sequence":{"id":"B","type_id":1}})";
  const std::string s = R"({"SpecialToken":{"id":"<s>","type_id":0}})";
  const char* const kSays = "names the special token \"<s>\", which its special_tokens do not list";
  EXPECT_THAT(problem(post + "\"single\":[" + s + "," + a + "],\"pair\":[]}," + kWords), HasSubstr(kSays));
  EXPECT_THAT(problem(post + "\"single\":[" + a + "],\"pair\":[" + a + "," + s + "," + b + "]}," + kWords), HasSubstr(kSays));
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      text += i + k <= bytes.size() ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}
/// A character map with these trie units and replacements.
std::string charsmap(const std::vector<std::uint32_t>& units, std::string_view replacements) {
  std::string bytes = testing_files::little_endian(4 * units.size(), 4);
  for (const std::uint32_t unit : units)
    bytes += testing_files::little_endian(unit, 4);
  bytes += replacements;
  return base64(bytes);
}
std::string precompiled(const std::string& text) {
  return R"("normalizer":{"type":"Precompiled","precompiled_charsmap":")" + text + "\"}," + kSplitSpaces + kWords;
}

TEST(TokenizerRows, T06ABadCharacterMapIsAnError) {
  EXPECT_THAT(problem(precompiled("####")), HasSubstr("precompiled_charsmap is no base64 at character 0"));
  EXPECT_THAT(problem(precompiled("AAAAA")), HasSubstr("is no base64: it has 5 characters"));
  EXPECT_THAT(problem(precompiled("")), HasSubstr("has 0 bytes, too few for its trie's size"));
  EXPECT_THAT(problem(precompiled(base64(std::string("\xFF\xFF\xFF\x7F"
                                                     "abcd",
                                                     8)))),
              HasSubstr("says that its trie has 2,147,483,647 bytes, but only 4 follow"));
  EXPECT_THAT(problem(precompiled(charsmap({}, "x"))), HasSubstr("has a trie of 0 bytes"));
  // A key "a" whose value lies outside the trie, then outside the text, then inside a character.
  std::vector<std::uint32_t> units(256);
  units[0] = 1u << 10;                            // children at 1
  units[1 ^ 'a'] = 'a' | 256u | 0x1FFFFFu << 10;  // its value: far away
  EXPECT_THAT(problem(precompiled(charsmap(units, std::string("b\0", 2)))), HasSubstr("has a trie that points to unit"));
  units[1 ^ 'a'] = 'a' | 256u | 3u << 10;
  units[(1 ^ 'a') ^ 3] = 1u << 31 | 7;
  EXPECT_THAT(problem(precompiled(charsmap(units, std::string("b\0", 2)))), HasSubstr("has a replacement at byte 7 of 2"));
  units[(1 ^ 'a') ^ 3] = 1u << 31 | 1;
  EXPECT_THAT(problem(precompiled(charsmap(units, std::string("\xC3\xA9\0", 3)))), HasSubstr("begins inside a character"));
  EXPECT_THAT(problem(precompiled(charsmap(units, "\xC3"))), HasSubstr("are no UTF-8 at byte 1028"));
  units[(1 ^ 'a') ^ 3] = 1u << 31;
  EXPECT_THAT(ids(*parse(precompiled(charsmap(units, std::string("b\0", 2)))), "a b"), ElementsAre(2, 2)) << "a becomes b";
}

TEST(TokenizerRows, T06ACircleInACharacterMapEnds) {
  // "a" leads back to itself: the walk at reading and the look-up of a long word of it both end.
  std::vector<std::uint32_t> units(256);
  const std::uint32_t here = 1 ^ 'a';
  units[0] = 1u << 10;
  units[here] = 'a' | (here ^ 1u) << 10;
  const auto tokenizer = parse(precompiled(charsmap(units, std::string("b\0", 2))));
  EXPECT_THAT(ids(*tokenizer, std::string(100000, 'a')), ElementsAre(0));
}

TEST(TokenizerRows, T07IdsMayHaveGapsButNotBeNegative) {
  const auto model = [](const std::string& vocab) {
    return R"("model":{"type":"WordLevel","unk_token":"u","vocab":)" + vocab + "}";
  };
  EXPECT_THAT(problem(model(R"({"u":-1})")), HasSubstr("gives \"u\" the id -1, where an integer from 0"));
  EXPECT_THAT(problem(model(R"({"u":4294967296})")), HasSubstr("the id 4294967296"));
  const auto tokenizer = parse(model(R"({"u":0,"a":7,"b":7})"));
  EXPECT_EQ(tokenizer->vocab_size(), 8);
  EXPECT_EQ(tokenizer->token_id("b"), 7);
}

TEST(TokenizerRows, T08OnlyProperByteNamesAreBytes) {
  const std::string vocab = R"({"u":0,"a":1,"<0x-1>":2,"<0xZZ>":3,"<0x1>":4,"<0x100>":5,"<0xC3>":6,"<0xA9>":7,"<0xe2>":8})";
  const auto tokenizer =
      parse(R"("decoder":{"type":"ByteFallback"},)" + bpe(vocab, "[]", R"("byte_fallback":true,"unk_token":"u",)"));
  EXPECT_THAT(ids(*tokenizer, "a\u00e9"), ElementsAre(1, 6, 7));
  EXPECT_THAT(ids(*tokenizer, "\x01\u2603"), ElementsAre(0, 0)) << "no name of all their bytes";
  const std::vector<std::int32_t> all{2, 3, 4, 5, 6, 7, 6};
  EXPECT_EQ(tokenizer->decode(all), "<0x-1><0xZZ><0x1><0x100>\uFFFD\uFFFD\uFFFD") << "one run of bytes that is no UTF-8";
  const std::vector<std::int32_t> whole{2, 6, 7};
  EXPECT_EQ(tokenizer->decode(whole), "<0x-1>\u00e9");
}

TEST(TokenizerRows, T09PatternsHaveLimits) {
  if (!has_regex()) GTEST_SKIP() << "built without ICU";
  const auto tokenizer = parse(split("(a+)+$") + kWords);
  EXPECT_THAT(message_of([&] { tokenizer->encode(std::string(64, 'a') + "b", 10); }),
              HasSubstr("the pattern \"(a+)+$\" takes too long on this text"));
  const auto deep = parse(split("(?:(a)|b)*$") + kWords);
  EXPECT_THAT(message_of([&] { deep->encode(std::string(2000000, 'a'), 10); }), HasSubstr("nests too deep on this text"));
  EXPECT_THAT(problem(split("(a") + kWords),
              AllOf(HasSubstr("pattern \"(a\" is no valid regular expression"), HasSubstr("U_REGEX")));
  EXPECT_THAT(problem(split(std::string(1u << 20, 'a')) + kWords),
              HasSubstr("has a pattern of 1,048,576 bytes, more than the limit of 16,384"));
  EXPECT_THAT(problem(R"("pre_tokenizer":{"type":"Split","pattern":"a"},)" + kWords), HasSubstr("needs a \"pattern\" with a text"));
}

TEST(TokenizerRows, T09APatternIsCancelled) {
  if (!has_regex()) GTEST_SKIP() << "built without ICU";
  const auto tokenizer = parse(split("(a+)+$") + kWords);
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(tokenizer->encode(std::string(64, 'a') + "b", 10, source.get_token()), Cancelled);
}

TEST(TokenizerRows, T10PatternsThatMatchNothingEnd) {
  if (!has_regex()) GTEST_SKIP() << "built without ICU";
  for (const char* behavior : {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"}) {
    EXPECT_THAT(ids(*parse(split("x*", behavior) + kWords), "ab"), ::testing::Not(IsEmpty())) << behavior;
    EXPECT_THAT(ids(*parse(split("", behavior) + kWords), "ab"), ::testing::Not(IsEmpty())) << behavior;
  }
  EXPECT_THAT(ids(*parse(split("x*", "Isolated") + kWords), "abxxa"), ElementsAre(1, 2, 0, 1));
  EXPECT_THAT(ids(*parse(R"("normalizer":{"type":"Replace","pattern":{"String":""},"content":"b"},)" + kWords), "a"),
              ElementsAre(1));
}

TEST(TokenizerRows, T11DropoutIsToldAndNotApplied) {
  const auto tokenizer = parse(bpe(R"({"a":0,"b":1,"ab":2})", R"(["a b"])", R"("dropout":0.5,)"));
  EXPECT_THAT(tokenizer->load_notices(),
              ElementsAre("The tokenizer's dropout of 0.5 is not applied: the same text always gives the same tokens."));
  for (int i = 0; i < 20; ++i)
    EXPECT_THAT(ids(*tokenizer, "ab"), ElementsAre(2));
  EXPECT_THAT(problem(bpe(R"({"a":0})", "[]", R"("dropout":1.5,)")), HasSubstr("dropout of 1.5"));
}

TEST(TokenizerRows, T12WhatHasNoTokenIsAnErrorOrCounted) {
  const auto missing = parse(R"("model":{"type":"WordPiece","vocab":{"a":0},"unk_token":"[UNK]"})");
  EXPECT_THAT(ids(*missing, "a"), ElementsAre(0));
  EXPECT_THAT(message_of([&] { missing->encode("b", 10); }),
              HasSubstr("\"b\" is not in the vocabulary, and neither is its unk_token \"[UNK]\""));
  const auto unigram = parse(R"("model":{"type":"Unigram","vocab":[["a",-1]]})");
  EXPECT_THAT(ids(*unigram, "aa"), ElementsAre(0, 0));
  EXPECT_THAT(message_of([&] { unigram->encode("ab", 10); }), HasSubstr("\"b\" is not in the vocabulary, which has no unk_id"));
  const Encoding dropped = parse(bpe(R"({"a":0})", "[]"))->encode("xa\u2603", 10);
  EXPECT_THAT(ids_of(dropped), ElementsAre(0));
  EXPECT_EQ(dropped.tokens[0].source, "a");
  EXPECT_THAT(dropped.notices, ElementsAre("2 characters for which the vocabulary has no token were left out."));
}

TEST(TokenizerRows, T13AddedTokens) {
  const auto added = [](const std::string& list) { return "\"added_tokens\":[" + list + "]," + kSplitSpaces + kWords; };
  const auto tokenizer =
      parse(added(R"({"id":4,"content":""},{"id":4,"content":"ab"},{"id":5,"content":"abab"},{"id":9,"content":"<s>"})"));
  EXPECT_THAT(ids(*tokenizer, "ababab"), ElementsAre(5, 4)) << "the longest first";
  EXPECT_THAT(tokenizer->load_notices(), ElementsAre("The added token \"<s>\" declares id 9, but has id 3."));
  EXPECT_THAT(ids(*parse(added(R"({"id":4,"content":" ","lstrip":true})")), "a   b"), ElementsAre(1, 4, 4, 4, 2));
  std::string many;
  for (int i = 0; i < 100000; ++i) {
    if (i > 0) many += ',';
    many += R"({"id":)";
    many += std::to_string(4 + i);
    many += R"(,"content":"tok)";
    many += std::to_string(i);
    many += "\"}";
  }
  const auto large = parse(added(many));
  EXPECT_THAT(ids(*large, "a tok99999 b"), ElementsAre(1, 4 + 99999, 2));
}

TEST(TokenizerRows, T14MergesAreTextsOrPairs) {
  const std::string vocab = R"({"a":0,"b c":1,"ab c":2,"b":3,"ab":4})";
  EXPECT_THAT(ids(*parse(bpe(vocab, R"(["a b"])")), "ab"), ElementsAre(4));
  EXPECT_THAT(ids(*parse(bpe(vocab, R"([["a","b"]])")), "ab"), ElementsAre(4));
  EXPECT_EQ(problem(bpe(vocab, R"([["a","b c"]])")), "") << "a part may hold a space";
}

TEST(TokenizerRows, T15UnigramsAreChecked) {
  const auto model = [](const std::string& members) { return problem(R"("model":{"type":"Unigram",)" + members + "}"); };
  EXPECT_THAT(model(R"("vocab":[])"), HasSubstr("has an empty vocab"));
  EXPECT_THAT(model(R"("vocab":{})"), HasSubstr("needs a list \"vocab\""));
  EXPECT_THAT(model(R"("vocab":[["a",-1],["b","x"]])"), HasSubstr("vocab[1] is a list, where a text and its score are needed"));
  EXPECT_THAT(model(R"("vocab":[["a"]])"), HasSubstr("vocab[0] is a list"));
  EXPECT_THAT(model(R"("vocab":[["a",NaN]])"), HasSubstr("is not valid JSON"));
  EXPECT_THAT(model(R"("vocab":[["a",1e999]])"), HasSubstr("number too large"));
  EXPECT_THAT(model(R"("vocab":[["a",-1]],"unk_id":1)"), HasSubstr("unk_id = 1, where an integer from 0 to 0"));
  EXPECT_THAT(model(R"("vocab":[["a",-1]],"unk_id":-1)"), HasSubstr("unk_id = -1"));
}

TEST(TokenizerRows, T16AQuarterOfAMillionMergesAreRead) {
  // Pairs of pairs of letters: each merge makes a token of its own.
  std::string vocab, merges;
  std::vector<std::string> tokens;
  for (char c = 'a'; c <= 'z'; ++c)
    tokens.emplace_back(1, c);
  for (std::size_t first = 0; tokens.size() < 250026; ++first)
    for (std::size_t second = 0; second < 26 && tokens.size() < 250026; ++second) {
      merges += (merges.empty() ? "\"" : ",\"") + tokens[first] + " " + tokens[second] + "\"";
      tokens.push_back(tokens[first] + tokens[second]);
    }
  for (std::size_t i = 0; i < tokens.size(); ++i)
    vocab += (i == 0 ? "\"" : ",\"") + tokens[i] + "\":" + std::to_string(i);
  const auto tokenizer = parse(bpe("{" + vocab + "}", "[" + merges + "]"));
  EXPECT_EQ(tokenizer->vocab_size(), 250026);
  EXPECT_THAT(ids(*tokenizer, "abc"), ElementsAre(tokenizer->token_id("abc")));
}

/// Tokenizers of each kind, small.
std::vector<std::unique_ptr<Tokenizer>> all_kinds() {
  std::vector<std::unique_ptr<Tokenizer>> all;
  for (const char* name : {"gpt2", "llama3", "qwen2", "llama2", "gemma", "bert_uncased", "t5", "t5_strip", "roberta"})
    all.push_back(load_tokenizer(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/tokenizers" / name / "tokenizer.json"));
  return all;
}

TEST(TokenizerRows, T17StrangeTextsHaveAResult) {
  std::vector<std::string> texts = {"",
                                    " ",
                                    "   ",
                                    std::string("\0", 1),
                                    std::string("a\0b", 3),
                                    "\xFF\xFE\x80",
                                    "\xED\xA0\x80\xED\xB0\x80",
                                    "\xF4\x90\x80\x80",
                                    "\xC0\x80",
                                    "\u0130",
                                    "a\r\nb\rc\nd",
                                    "\u202eabc\u202c",
                                    "\u05e9\u05dc\u05d5\u05dd",
                                    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
                                    "\U0010ffff\ufdd0",
                                    "\u0301\u0301",
                                    "\U0001fa77\u1c89"};
  texts.push_back("e" + std::string(200000, 'x'));
  std::string marks = "e";
  for (int i = 0; i < 100000; ++i)
    marks += i % 2 == 0 ? "\u0301" : "\u0323";
  texts.push_back(marks);
  texts.push_back(std::string(300000, ' '));
  texts.push_back(std::string(300000, '\n'));
  for (const auto& tokenizer : all_kinds())
    for (const std::string& text : texts) {
      const Encoding encoding = tokenizer->encode(text, 300);
      for (const Token& token : encoding.tokens) {
        ASSERT_LE(token.begin, token.end);
        ASSERT_LE(token.end, text.size());
        ASSERT_EQ(token.source, text.substr(token.begin, token.end - token.begin));
        ASSERT_GE(token.id, 0);
        ASSERT_LT(token.id, tokenizer->vocab_size());
      }
      if (find_invalid_utf8(text)) {
        EXPECT_THAT(encoding.notices, Contains(HasSubstr("of invalid UTF-8")));
      }
    }
}

TEST(TokenizerRows, T17ALargePasteIsReadOrCancelled) {
  std::string text;
  while (text.size() < 3u << 20)
    text += "the cat sat on the mat, 12345 times; it's caf\u00e9 ";
  const auto all = all_kinds();
  const Encoding encoding = all[0]->encode(text, 50);
  EXPECT_EQ(encoding.tokens.size(), 50u);
  EXPECT_THAT(encoding.notices, ElementsAre(HasSubstr("the first 50 are shown")));
  for (const auto& tokenizer : all) {
    std::stop_source source;
    std::jthread canceller([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      source.request_stop();
    });
    EXPECT_THROW(tokenizer->encode(text, 50, source.get_token()), Cancelled);
  }
}

TEST(TokenizerRows, T18ALongTextIsCutWithANotice) {
  const auto all = all_kinds();
  const Encoding encoding = all[5]->encode("the cat sat on the mat and the dog sat too", 4);
  EXPECT_EQ(encoding.tokens.size(), 4u);
  EXPECT_THAT(encoding.notices, ElementsAre(HasSubstr("; the first 4 are shown.")));
}

TEST(TokenizerRows, T19ATypedSpecialTokenIsMarked) {
  const auto all = all_kinds();
  const Encoding encoding = all[0]->encode("cat<|endoftext|>dog", 100);
  const auto special =
      std::find_if(encoding.tokens.begin(), encoding.tokens.end(), [](const Token& token) { return token.is_special; });
  ASSERT_NE(special, encoding.tokens.end());
  EXPECT_EQ(special->id, all[0]->token_id("<|endoftext|>"));
  EXPECT_EQ(special->begin, 3u);
  EXPECT_EQ(special->end, 16u);
  EXPECT_EQ(std::count_if(encoding.tokens.begin(), encoding.tokens.end(), [](const Token& token) { return token.is_special; }), 1);
}

}  // namespace
}  // namespace headroom
