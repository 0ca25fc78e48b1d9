#include "core/formats/tokenizer.h"

#include <gmock/gmock.h>

#include <chrono>
#include <clocale>
#include <map>

#include "core/formats/json_value.h"
#include "core/formats/safetensors.h"
#include "core/formats/utf8.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing_files::kModels;
using testing_files::message_of;
using testing_files::TemporaryFolder;

const Tokenizer& starter() {
  static const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(kModels / "grammar-base" / "tokenizer.json");
  return *tokenizer;
}

std::vector<std::int32_t> ids_of(const Encoding& encoding) {
  std::vector<std::int32_t> ids;
  for (const Token& token : encoding.tokens)
    ids.push_back(token.id);
  return ids;
}

TEST(Tokenizer, EncodesTheGoldenTextsOfBothModels) {
  for (const char* name : {"grammar-base", "grammar-gqa"}) {
    const auto tokenizer = load_tokenizer(kModels / name / "tokenizer.json");
    const SafetensorsFile golden(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/bundled" /
                                 (std::string(name) + ".safetensors"));
    for (int i = 0; i < 4; ++i) {
      const std::string number = std::to_string(i);
      const std::string& text = golden.metadata().at(number + ".text");
      const auto expected = golden.read_integers(*golden.find(number + ".input_ids"));
      EXPECT_EQ(ids_of(tokenizer->encode(text, 4096)), std::vector<std::int32_t>(expected.begin(), expected.end())) << name << text;
    }
  }
}

TEST(Tokenizer, TokensKnowTheirPlaceInTheText) {
  const Encoding encoding = starter().encode("The  Zebra<bos>sat", 100);
  ASSERT_THAT(encoding.tokens, SizeIs(5));
  EXPECT_THAT(encoding.notices, IsEmpty());
  const auto check = [&](std::size_t i, const char* text, const char* source, std::pair<std::size_t, std::size_t> range) {
    const Token& token = encoding.tokens[i];
    EXPECT_EQ(token.text, text);
    EXPECT_EQ(token.source, source);
    EXPECT_EQ(std::pair(token.begin, token.end), range);
    EXPECT_EQ(starter().token_text(token.id), text);
  };
  check(0, "<bos>", "", {0, 0});
  check(1, "the", "The", {0, 3});
  check(2, "<unk>", "Zebra", {5, 10});
  check(3, "<bos>", "<bos>", {10, 15});
  check(4, "sat", "sat", {15, 18});
  EXPECT_TRUE(encoding.tokens[0].is_special && encoding.tokens[3].is_special);
  EXPECT_FALSE(encoding.tokens[1].is_special || encoding.tokens[2].is_special);
  EXPECT_TRUE(encoding.tokens[2].is_unknown);
  EXPECT_FALSE(encoding.tokens[1].is_unknown || encoding.tokens[3].is_unknown);
}

TEST(Tokenizer, EmptyTextIsTheTemplateAlone) {
  for (const char* text : {"", " ", "\n\t"})
    EXPECT_THAT(ids_of(starter().encode(text, 10)), ElementsAre(0)) << text;
}

TEST(Tokenizer, InvalidUtf8IsReplacedAndCounted) {
  const Encoding one = starter().encode("cat \xFF dog", 10);
  EXPECT_THAT(ids_of(one), ElementsAre(0, starter().token_id("cat"), 1, starter().token_id("dog")));
  EXPECT_THAT(one.notices, ElementsAre("1 byte of invalid UTF-8 was replaced."));
  EXPECT_EQ(one.tokens[2].source, "\xFF");
  const Encoding three = starter().encode("\xED\xA0\x80 cat\xC3", 10);  // a surrogate, and a cut code point
  EXPECT_THAT(three.notices, ElementsAre("4 bytes of invalid UTF-8 were replaced."));
  EXPECT_THAT(ids_of(three), ElementsAre(0, 1, starter().token_id("cat"), 1));
}

TEST(Tokenizer, NulAndControlsSurvive) {
  const Encoding encoding = starter().encode(std::string_view("cat\0dog\x07", 8), 10);
  EXPECT_THAT(ids_of(encoding), ElementsAre(0, starter().token_id("cat"), 1, starter().token_id("dog"), 1));
  EXPECT_EQ(encoding.tokens[2].source, std::string(1, '\0'));
}

TEST(Tokenizer, StopsWhenAsked) {
  std::string text;
  for (int i = 0; i < 2000; ++i)
    text += "cat ";
  std::stop_source source;
  EXPECT_EQ(starter().encode(text, 4096, source.get_token()).tokens.size(), 2001u);
  source.request_stop();
  EXPECT_THROW(starter().encode(text, 4096, source.get_token()), Cancelled);
}

TEST(Tokenizer, HundredThousandWordsAreCutAndCounted) {
  std::string text;
  for (int i = 0; i < 100000; ++i)
    text += "cat ";
  const auto start = std::chrono::steady_clock::now();
  const Encoding encoding = starter().encode(text, 4096);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));  // a hang, not a speed
  EXPECT_THAT(encoding.tokens, SizeIs(4096));
  EXPECT_THAT(encoding.notices, ElementsAre("The text has 100,001 tokens; the first 4,096 are shown."));
}

TEST(Tokenizer, MaxTokensZeroAndExact) {
  EXPECT_THAT(starter().encode("cat", 2).notices, IsEmpty());
  const Encoding none = starter().encode("cat", 0);
  EXPECT_THAT(none.tokens, IsEmpty());
  EXPECT_THAT(none.notices, ElementsAre("The text has 2 tokens; the first 0 are shown."));
}

TEST(Tokenizer, MegabyteWithoutASpaceIsOneWord) {
  const Encoding encoding = starter().encode(std::string(1u << 20, 'a'), 4096);
  ASSERT_THAT(ids_of(encoding), ElementsAre(0, 1));
  EXPECT_EQ(encoding.tokens[1].end, 1u << 20);
}

TEST(Tokenizer, MegabyteOfMarksIsOneWordUnderEveryNormalForm) {
  const TemporaryFolder folder;
  std::string text = "a";
  for (int i = 0; i < 300000; ++i)
    text += i % 2 == 0 ? "\u0301" : "\u0323";
  for (const char* form : {"NFC", "NFD", "NFKC", "NFKD"}) {
    const auto tokenizer = load_tokenizer(folder.file(
        "t.json", std::string(R"({"normalizer":{"type":")") + form +
                      R"("},"pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","vocab":{"u":0},"unk_token":"u"}})"));
    const Encoding encoding = tokenizer->encode(text, 10);
    ASSERT_THAT(encoding.tokens, SizeIs(1)) << form;
    EXPECT_EQ(encoding.tokens[0].end, text.size()) << form;
  }
}

TEST(Tokenizer, HugePasteIsCutBetweenCodePoints) {
  std::string text(std::size_t{16 << 20} - 1, ' ');
  text += "😀😀";
  const Encoding encoding = starter().encode(text, 10);
  EXPECT_THAT(encoding.notices, ElementsAre("The text has 16,777,223 bytes; the first 16,777,215 are read."));
  EXPECT_THAT(ids_of(encoding), ElementsAre(0));
}

TEST(Tokenizer, IdsOfWordsTakesThemLiterally) {
  EXPECT_THAT(starter().ids_of_words("<bos> the cat , zebra The"),
              ElementsAre(0, starter().token_id("the"), starter().token_id("cat"), 3, 1, 1));
  EXPECT_THAT(starter().ids_of_words(""), IsEmpty());
  EXPECT_THAT(starter().ids_of_words("  cat "), ElementsAre(starter().token_id("cat")));
}

TEST(Tokenizer, VocabularyOfTheStarter) {
  EXPECT_EQ(starter().vocab_size(), 367);
  EXPECT_EQ(starter().token_id("fluffy"), 48);
  EXPECT_EQ(starter().token_id("Fluffy"), -1);
  EXPECT_EQ(starter().token_text(48), "fluffy");
  EXPECT_EQ(starter().token_text(-1), "");
  EXPECT_EQ(starter().token_text(366), "<mask>");
  EXPECT_EQ(starter().token_text(367), "");
  EXPECT_EQ(starter().unknown_id(), 1);
  EXPECT_THAT(starter().load_notices(), IsEmpty());
}

TEST(NearestWords, OffersWhatWasMeant) {
  EXPECT_THAT(starter().nearest_words("fluffi", 1), ElementsAre("fluffy"));
  EXPECT_THAT(starter().nearest_words("FLUFY", 1), ElementsAre("fluffy")) << "compared as the tokenizer spells it";
  EXPECT_THAT(starter().nearest_words("theri", 1), ElementsAre("their")) << "a swap is one step";
  EXPECT_THAT(starter().nearest_words("caats", 2), ElementsAre("cats", "cakes"));
  // "men" is as near to "sen" as "see" and stands before it in the vocabulary; the same first letter decides.
  EXPECT_THAT(starter().nearest_words("sen", 1), ElementsAre("see"));
}

TEST(NearestWords, HasLimits) {
  EXPECT_THAT(starter().nearest_words("fluffi", 0), IsEmpty());
  EXPECT_THAT(starter().nearest_words("", 3), IsEmpty());
  EXPECT_THAT(starter().nearest_words("xylophonist", 3), IsEmpty());
  EXPECT_THAT(starter().nearest_words(std::string(65, 'a'), 3), IsEmpty());
  EXPECT_THAT(starter().nearest_words(std::string(1u << 20, 'a'), 3), IsEmpty());
  EXPECT_THAT(starter().nearest_words("\xFF\xFE", 3), IsEmpty());
  for (const std::string& word : starter().nearest_words("x", 100))
    EXPECT_TRUE(is_word_character(to_utf32(word)[0])) << word << " is no word";
}

TEST(NearestWords, NeverOffersSpecialTokens) {
  EXPECT_THAT(starter().nearest_words("<bos", 100), Not(::testing::Contains("<bos>")));
  EXPECT_THAT(starter().nearest_words("unk", 100), Not(::testing::Contains("<unk>")));
}

TEST(NearestWords, IsFastOnTheStarter) {
  constexpr int kRuns = 50;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRuns; ++i)
    ASSERT_THAT(starter().nearest_words("fluffyer", 1), ElementsAre("fluffy"));
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() / kRuns;
  RecordProperty("ms_per_call", std::to_string(ms));  // reported, never asserted
}

/// Optimal string alignment by its recursive definition.
std::size_t slow_distance(std::u32string_view a, std::u32string_view b) {
  if (a.empty() || b.empty()) return a.size() + b.size();
  const auto front = [](std::u32string_view s, std::size_t n) { return s.substr(0, s.size() - n); };
  std::size_t best = std::min({slow_distance(front(a, 1), b) + 1, slow_distance(a, front(b, 1)) + 1,
                               slow_distance(front(a, 1), front(b, 1)) + (a.back() == b.back() ? 0 : 1)});
  if (a.size() > 1 && b.size() > 1 && a.back() == b[b.size() - 2] && a[a.size() - 2] == b.back())
    best = std::min(best, slow_distance(front(a, 2), front(b, 2)) + 1);
  return best;
}

TEST(EditDistance, AgreesWithItsDefinitionOnAllShortWords) {
  std::vector<std::u32string> words{U""};
  for (std::size_t i = 0; i < words.size() && words[i].size() < 4; ++i)
    for (const char32_t c : {U'a', U'b', U'😀'})
      words.push_back(words[i] + c);
  for (std::size_t i = 0; i < words.size(); ++i)
    for (std::size_t j = 0; j < words.size(); j += 3) {
      const std::size_t expected = slow_distance(words[i], words[j]);
      for (std::size_t limit = 0; limit < 6; ++limit)
        ASSERT_EQ(edit_distance(words[i], words[j], limit), std::min(expected, limit + 1))
            << to_utf8(words[i]) << to_utf8(words[j]);
    }
}

TEST(EditDistance, KnownPairs) {
  EXPECT_EQ(edit_distance(U"kitten", U"sitting", 10), 3u);
  EXPECT_EQ(edit_distance(U"ca", U"abc", 10), 3u) << "alignment, not the unrestricted distance of 2";
  EXPECT_EQ(edit_distance(U"abcdef", U"abcdfe", 10), 1u);
  EXPECT_EQ(edit_distance(std::u32string(1000, U'a'), std::u32string(1000, U'b'), 3), 4u);
}

/// Against the reference implementation.
class TokenizerGolden : public ::testing::Test {
 protected:
  static const JsonValue& sets() {
    static const JsonDocument document =
        read_json_file(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/tokenizer_golden.json", 16u << 20);
    return *document.root.find("sets");
  }
  /// JSON text of a value, for the tokenizer.json of a set.
  static std::string to_json(const JsonValue& value);
};

std::string json_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char code[8];
    std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(byte));
    if (c == '"' || c == '\\' || byte < 0x20)
      result += code;
    else
      result += c;
  }
  result += '"';
  return result;
}

std::string TokenizerGolden::to_json(const JsonValue& value) {
  if (value.is(JsonValue::Type::kString)) return json_string(value.string);
  const bool is_list = value.is(JsonValue::Type::kArray);
  if (!is_list && !value.is(JsonValue::Type::kObject)) return describe(value);
  std::string result(1, is_list ? '[' : '{');
  const auto separate = [&] {
    if (result.size() > 1) result += ',';
  };
  for (const JsonValue& item : value.items) {
    separate();
    result += to_json(item);
  }
  for (const auto& [name, member] : value.members) {
    separate();
    result += json_string(name);
    result += ':';
    result += to_json(member);
  }
  result += is_list ? ']' : '}';
  return result;
}

TEST_F(TokenizerGolden, IdsAndOffsetsAreTheReferences) {
  const TemporaryFolder folder;
  std::size_t n_cases = 0;
  for (const JsonValue& set : sets().items) {
    const std::string& name = set.find("name")->string;
    const JsonValue* config = set.find_set("config");
    const auto tokenizer = config == nullptr ? load_tokenizer(kModels / "grammar-base" / "tokenizer.json")
                                             : load_tokenizer(folder.file("tokenizer.json", to_json(*config)));
    for (const JsonValue& item : set.find("cases")->items) {
      const std::string& text = item.items[0].string;
      SCOPED_TRACE(name + ": " + json_string(text));
      const Encoding encoding = tokenizer->encode(text, 100000);
      std::vector<std::int32_t> expected;
      for (const JsonValue& id : item.items[1].items)
        expected.push_back(static_cast<std::int32_t>(id.unsigned_value));
      ASSERT_EQ(ids_of(encoding), expected);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const Token& token = encoding.tokens[i];
        const std::uint64_t begin = item.items[2].items[2 * i].unsigned_value, end = item.items[2].items[2 * i + 1].unsigned_value;
        if (token.source.empty()) {
          ASSERT_EQ(begin, end) << "only the template's tokens have no text";
          continue;
        }
        ASSERT_EQ(token.begin, begin) << i;
        ASSERT_EQ(token.end, end) << i;
      }
      ++n_cases;
    }
  }
  EXPECT_GE(n_cases, 3000u);
}

}  // namespace
}  // namespace headroom
