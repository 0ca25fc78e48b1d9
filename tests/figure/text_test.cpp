#include <gtest/gtest.h>

#include "core/figure/figure.h"
#include "core/figure/number_text.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

std::string shown(const std::string& text) {
  Token token;
  token.text = text;
  return display_token(token);
}

TEST(DisplayToken, ShowsWhatCannotBeSeen) {
  EXPECT_EQ(shown("cat"), "cat");
  EXPECT_EQ(shown("<bos>"), "<bos>");
  EXPECT_EQ(shown(" the"), "·the");
  EXPECT_EQ(shown("\n"), "↵");
  EXPECT_EQ(shown("\t"), "→");
  EXPECT_EQ(shown(""), "∅");
  EXPECT_EQ(shown(std::string("a\0b\x1b", 4)), "a\\u{0}b\\u{1B}");
  EXPECT_EQ(shown("\u00a0"), "\\u{A0}");
  EXPECT_EQ(shown("\u200b"), "\\u{200B}");
}

TEST(DisplayToken, TakesDirectionMarksTheirPower) {
  EXPECT_EQ(shown("a\u202eb"), "a\\u{202E}b");
  EXPECT_EQ(shown("\u2066x\u2069"), "\\u{2066}x\\u{2069}");
}

TEST(DisplayToken, LeavesOtherScriptsWhole) {
  EXPECT_EQ(shown("猫"), "猫");
  EXPECT_EQ(shown("Straße"), "Straße");
  EXPECT_EQ(shown("👍🏽"), "👍🏽");
  EXPECT_EQ(shown("👩\u200d🚀"), "👩\u200d🚀");
}

TEST(DisplayToken, DrawsRightToLeftWordsInVisualOrder) {
  EXPECT_EQ(shown("שלום"), "םולש");
  EXPECT_EQ(shown("a שלום b"), "a·םולש·b");
}

TEST(DisplayToken, ShowsBytesThatAreNoText) { EXPECT_EQ(shown("a\xff\xc3"), "a\\xFF\\xC3"); }

TEST(DisplayToken, MarksUnknownWords) {
  Token token;
  token.text = "<unk>";
  token.source = "zebra";
  token.is_unknown = true;
  EXPECT_EQ(display_token(token), "‹zebra›");
}

TEST(DisplayToken, ShowsByteLevelPiecesAsTheTextHasThem) {
  const auto label = [](const char* text, const char* source) {
    Token token;
    token.text = text;
    token.source = source;
    return display_token(token);
  };
  EXPECT_EQ(label("Ġcat", " cat"), "·cat");
  EXPECT_EQ(label("cafÃ©", "café"), "café");
  EXPECT_EQ(label("ĊĊ", "\n\n"), "↵↵");
  // One byte of a letter stands for no text of its own, and a vocabulary of words spells as it likes.
  EXPECT_EQ(label("Ã", "é"), "Ã");
  EXPECT_EQ(label("cat", "Cat"), "cat");
  EXPECT_EQ(label("café", "café"), "café");
}

TEST(DisplayToken, AWordOfAMegabyteIsShownByItsEnds) {
  Token token;
  token.is_unknown = true;
  for (int i = 0; i < 300000; ++i)
    token.source += "é€";
  token.source += "last";
  const std::string shown = display_token(token);
  EXPECT_LT(shown.size(), 2100u);
  EXPECT_EQ(shown.substr(0, 8), "‹é€");
  EXPECT_NE(shown.find("…"), std::string::npos);
  EXPECT_EQ(shown.substr(shown.size() - 7), "last›");
  EXPECT_EQ(shown.find("\\x"), std::string::npos) << "no character is torn by the cut";
}

TEST(ShortenMiddle, KeepsWhatFitsAndBothEnds) {
  const EvenMeasurer measurer;
  const auto shorten = [&](const std::string& text, std::size_t n) {
    return shorten_middle(text, static_cast<double>(n) * 6 + 0.01, FontFace::kMono, 10, measurer);
  };
  EXPECT_EQ(shorten("headroom", 8), "headroom");
  EXPECT_EQ(shorten("headroom", 7), "hea…oom");
  EXPECT_EQ(shorten("headroom", 4), "he…m");
  EXPECT_EQ(shorten("headroom", 1), "…");
  EXPECT_EQ(shorten("headroom", 0), "");
}

TEST(ShortenMiddle, NeverTearsACharacter) {
  const EvenMeasurer measurer;
  // e with a combining accent, eight times: a piece keeps whole pairs.
  std::string text;
  for (int i = 0; i < 8; ++i)
    text += "e\u0301";
  const std::string shortened = shorten_middle(text, 60, FontFace::kMono, 10, measurer);
  EXPECT_EQ(shortened, "e\u0301e\u0301…e\u0301e\u0301");
  EXPECT_EQ(shorten_middle("ääää", 18.1, FontFace::kMono, 10, measurer), "ä…ä");
}

/// Spells every character beyond the basic plane, as a painter without emoji does.
class SpellingMeasurer : public TextMeasurer {
 public:
  double width(std::string_view text, FontFace, double) const override {
    double n = 0;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      n += byte >= 0xf0 ? 9 : (byte & 0xc0U) != 0x80U ? 1 : 0;
    }
    return n;
  }
};

TEST(ShortenMiddle, SaysPartOfAnEmojiThatHasToBeSpelled) {
  const SpellingMeasurer measurer;
  EXPECT_EQ(shorten_middle("‹👍🏽›", 14, FontFace::kMono, 10, measurer), "‹👍…›");
  EXPECT_EQ(shorten_middle("‹👍🏽›", 20, FontFace::kMono, 10, measurer), "‹👍🏽›");
}

TEST(ShortenMiddle, IsQuickOnAMegabyte) {
  const EvenMeasurer measurer;
  const std::string shortened =
      shorten_middle(std::string(1 << 20, 'a') + "é" + std::string(1 << 20, 'b'), 66.1, FontFace::kMono, 10, measurer);
  EXPECT_EQ(shortened, "aaaaa…bbbbb");
}

TEST(NumberText, IsTheSameEverywhere) {
  EXPECT_EQ(fixed(-0.001, 2), "0.00");
  EXPECT_EQ(fixed(-1.25, 1), "−1.2");
  EXPECT_EQ(signed_fixed(0.5, 2), "+0.50");
  EXPECT_EQ(signed_fixed(-0.5, 2), "−0.50");
  EXPECT_EQ(compact(1, 2), "1");
  EXPECT_EQ(compact(0.0625, 2), "0.062");
  EXPECT_EQ(compact(123.4, 2), "123");
  EXPECT_EQ(compact(-1.5e-7, 2), "−1.5e−7");
  EXPECT_EQ(probability_text(0.25), "0.250");
  EXPECT_EQ(probability_text(0.00012), "1.2e−4");
  EXPECT_EQ(probability_text(0), "0");
  EXPECT_EQ(percent_text(0.0004), "< 0.1 %");
  EXPECT_EQ(percent_text(0.015), "1.5 %");
  EXPECT_EQ(percent_text(0.983), "98 %");
  EXPECT_EQ(ms_text(0.42), "420 µs");
  EXPECT_EQ(ms_text(1.861), "1.86 ms");
  EXPECT_EQ(ms_text(2100), "2.10 s");
  EXPECT_EQ(count_text(1234567), "1,234,567");
  EXPECT_EQ(fixed(std::numeric_limits<double>::infinity(), 2), "∞");
  EXPECT_EQ(fixed(std::numeric_limits<double>::quiet_NaN(), 2), "NaN");
}

}  // namespace
}  // namespace headroom
