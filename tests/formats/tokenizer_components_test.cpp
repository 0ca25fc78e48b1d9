#include <gmock/gmock.h>

#include <initializer_list>

#include "core/formats/char_classes.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "tests/formats/golden_texts.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using testing_files::Draw;
using testing_files::GoldenTexts;
using testing_files::WordHash;

constexpr std::size_t kBlock = 100;

/// Against the reference implementation, a component at a time: tests/golden/make_tokenizer_component_golden.py.
const JsonValue& golden() {
  static const JsonDocument document =
      read_json_file(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/tokenizers/components.json", 1u << 20);
  return document.root;
}

std::vector<std::string> strings(const JsonValue& list) {
  std::vector<std::string> result;
  for (const JsonValue& item : list.items)
    result.push_back(item.string);
  return result;
}

/// One text of several: operator+ makes this compiler warn of what is not there.
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts)
    text.append(part);
  return text;
}

/// The tokenizer, or nullptr when it needs a regular expression engine that this build lacks.
std::unique_ptr<Tokenizer> parse(const std::string& json) {
  std::unique_ptr<Tokenizer> tokenizer;
  const std::string problem = testing_files::message_of([&] { tokenizer = parse_tokenizer(json, "t.json"); });
  if (problem.find("needs ICU") == std::string::npos) {
    EXPECT_EQ(problem, "");
  }
  return tokenizer;
}

template <typename Put>
void compare(const JsonValue& hashes, const Put& put) {
  for (std::size_t block = 0; block < hashes.items.size(); ++block) {
    WordHash hash;
    for (std::size_t i = block * kBlock; i < (block + 1) * kBlock; ++i)
      put(hash, i);
    EXPECT_EQ(hash.hex(), hashes.items[block].string) << "texts from " << block * kBlock;
  }
}

TEST(TokenizerComponents, EveryComponentIsTheReferences) {
  const GoldenTexts texts(golden().find("seed")->unsigned_value, strings(*golden().find("specials")));
  std::vector<std::string> samples;
  for (std::size_t i = 0; i < 1000; ++i)
    samples.push_back(texts.make(i));
  ASSERT_GE(golden().find("components")->items.size(), 90u);
  for (const JsonValue& component : golden().find("components")->items) {
    SCOPED_TRACE(component.find("name")->string);
    const auto tokenizer =
        parse(joined({"{", component.find("members")->string, ",\"model\":", golden().find("model")->string, "}"}));
    if (!tokenizer) continue;
    compare(*component.find("hashes"), [&](WordHash& hash, std::size_t i) {
      const Encoding encoding = tokenizer->encode(samples[i], 1u << 20);
      hash.add(encoding.tokens.size());
      for (const Token& token : encoding.tokens) {
        hash.add(static_cast<std::uint32_t>(token.id));
        hash.add(token.begin);
        hash.add(token.end);
      }
    });
  }
}

TEST(TokenizerComponents, EveryDecoderIsTheReferences) {
  const std::vector<std::string> pieces = strings(*golden().find("pieces"));
  std::string vocab;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    vocab += joined({i == 0 ? "\"" : ",\"", pieces[i], "\":", std::to_string(i)});
  ASSERT_GE(golden().find("decoders")->items.size(), 15u);
  for (const JsonValue& decoder : golden().find("decoders")->items) {
    const std::string& json = decoder.find("decoder")->string;
    SCOPED_TRACE(json);
    const auto tokenizer =
        parse(joined({"{\"decoder\":", json, R"(,"model":{"type":"WordLevel","unk_token":"s","vocab":{)", vocab, "}}}"}));
    if (!tokenizer) continue;
    if (json.find("[a-e]") == std::string::npos) {
      EXPECT_THAT(tokenizer->load_notices(), ::testing::IsEmpty());
    }
    const bool leaves_out = json.find("\"stop\":1") != std::string::npos;  // rows at which the reference fails
    compare(*decoder.find("hashes"), [&](WordHash& hash, std::size_t i) {
      Draw draw(golden().find("seed")->unsigned_value, i);
      std::vector<std::int32_t> ids(1 + draw.below(12));
      bool is_safe = true;
      for (std::int32_t& id : ids) {
        id = static_cast<std::int32_t>(draw.below(pieces.size()));
        is_safe = is_safe && id != 23 && id != 24;
      }
      if (leaves_out && !is_safe) return;
      for (const char32_t c : to_utf32(tokenizer->decode(ids)))
        hash.add(c);
    });
  }
}

/// The one place where this differs from the reference on purpose: characters that are newer than some of its tables are what Unicode 15.0
/// says. They are left out of the generated texts.
TEST(TokenizerComponents, NewerCharactersAreWhatUnicodeSays) {
  const std::string model = R"("model":{"type":"WordLevel","vocab":{"u":0},"unk_token":"u"})";
  const auto cut = parse(joined({R"({"pre_tokenizer":{"type":"Punctuation","behavior":"Isolated"},)", model, "}"}));
  EXPECT_EQ(cut->encode("a\u2E52b", 10).tokens.size(), 3u);
  const auto strip = parse(joined({R"({"normalizer":{"type":"StripAccents"},)", model, "}"}));
  EXPECT_EQ(strip->encode("\u1ABF", 10).tokens.size(), 0u);
  std::size_t n_marks = 0, n_signs = 0;
  for (const JsonValue& range : testing_files::golden_tables().find("newer")->items)
    for (auto c = static_cast<char32_t>(range.items[0].unsigned_value); c <= range.items[1].unsigned_value; ++c) {
      n_marks += is_mark(c) ? 1 : 0;
      n_signs += is_punctuation(c) ? 1 : 0;
    }
  EXPECT_GE(n_marks, 300u);
  EXPECT_GE(n_signs, 100u);
}

TEST(TokenizerComponents, EveryCodePointPasses) {
  std::string text;
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 5)
    if (c < 0xD800 || c > 0xDFFF) append_utf8(text, c);
  for (
      const char* members :
      {R"("normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},)", R"("normalizer":{"type":"NFKC"},)",
       R"("pre_tokenizer":{"type":"ByteLevel"},)",
       R"("normalizer":{"type":"NFD"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Whitespace"},{"type":"Digits"}]},)"}) {
    const Encoding encoding =
        parse(joined({"{", members, "\"model\":", golden().find("model")->string, "}"}))->encode(text, 1u << 22);
    ASSERT_GT(encoding.tokens.size(), 100000u);
    EXPECT_THAT(encoding.notices, ::testing::IsEmpty());
    for (const Token& token : encoding.tokens)
      ASSERT_TRUE(token.begin < token.end && token.end <= text.size());
  }
}

}  // namespace
}  // namespace headroom
