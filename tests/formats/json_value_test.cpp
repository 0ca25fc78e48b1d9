#include "core/formats/json_value.h"

#include <gmock/gmock.h>

#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_files::message_of;
using Type = JsonValue::Type;

JsonValue parse(std::string_view text) { return parse_json(text, "here").root; }

TEST(Json, EveryKindOfValue) {
  const JsonValue value = parse(
      R"( {"n":null,"t":true,"f":false,"u":18446744073709551615,"i":-5,"z":-0,"d":2.5e1,"s":"aé\u00e9\ud83d\ude00","a":[1,[]],"o":{"":{}}} )");
  ASSERT_TRUE(value.is(Type::kObject));
  EXPECT_TRUE(value.find("n")->is(Type::kNull));
  EXPECT_TRUE(value.find("t")->boolean && !value.find("f")->boolean);
  EXPECT_EQ(value.find("u")->unsigned_value, 18446744073709551615u);
  EXPECT_EQ(value.find("i")->negative_value, -5);
  EXPECT_TRUE(value.find("z")->is(Type::kNegative));
  EXPECT_EQ(value.find("d")->float_value, 25);
  EXPECT_EQ(value.find("d")->number(), 25);
  EXPECT_EQ(value.find("s")->string, "aéé😀");
  EXPECT_EQ(value.find("a")->items.size(), 2u);
  EXPECT_TRUE(value.find("o")->find("")->is(Type::kObject));
  EXPECT_EQ(value.find("missing"), nullptr);
  EXPECT_EQ(value.find_set("n"), nullptr);
  EXPECT_EQ(parse("3").find("x"), nullptr);
}

TEST(Json, MembersKeepTheirOrderAndTheLastDuplicateCounts) {
  const JsonDocument document = parse_json(R"({"b":1,"a":2,"b":3,"c":{"a":1,"a":2}})", "here");
  ASSERT_EQ(document.root.members.size(), 3u);
  EXPECT_EQ(document.root.members[0].first, "b");
  EXPECT_EQ(document.root.members[0].second.unsigned_value, 3u);
  EXPECT_THAT(document.duplicates, ElementsAre("b", "a"));
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_EQ(message_of([&] { parse(nested(kMaxJsonDepth)); }), "");
  EXPECT_EQ(message_of([&] { parse(nested(kMaxJsonDepth + 1)); }), "here: is nested deeper than 128 levels");
  EXPECT_NE(message_of([&] { parse(std::string(1000000, '[')); }), "");
}

TEST(Json, BadTextsAreNamedWithTheirByte) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "here: is empty"},
      {"\xEF\xBB\xBF{}", "byte order mark"},
      {std::string("{}\0", 3), "holds a NUL at byte 2"},
      {"{\"a\":\"\xC3\"}", "is not valid UTF-8 at byte 6"},
      {"[1,]", "is not valid JSON at byte 3"},
      {"[01]", "is not valid JSON at byte"},
      {"[1] 2", "is not valid JSON at byte 4"},
      {"{\"a\" 1}", "is not valid JSON at byte"},
      {"\"\\ud800\"", "is not valid JSON"},
      {"[NaN]", "is not valid JSON"},
      {"[-1e999]", "number too large"},
      {"// c\n1", "is not valid JSON at byte"},
  };
  for (const auto& [text, says] : cases)
    EXPECT_THAT(message_of([&, &json = text] { parse(json); }), HasSubstr(says)) << text;
}

TEST(Json, DescribesWhatWasFound) {
  EXPECT_EQ(describe(parse("null")), "null");
  EXPECT_EQ(describe(parse("1e30")), "1e+30");
  EXPECT_EQ(describe(parse("-0")), "-0");
  EXPECT_EQ(describe(parse("\"\\u202e\"")), "\"\\u{202E}\"");
  EXPECT_EQ(describe(parse("[]")), "a list");
}

}  // namespace
}  // namespace headroom
