#include "app/painters/drawable_text.h"

#include <gtest/gtest.h>

#include <vector>

namespace headroom {
namespace {

bool draws_latin(char32_t c) { return c < 0x180 || c == U'…'; }

TEST(DrawableText, LettersStay) {
  EXPECT_EQ(drawable_text("the cat, 0.5", [](char32_t) { return false; }), "the cat, 0.5");
  EXPECT_EQ(drawable_text("Zażółć…", draws_latin), "Zażółć…");
  EXPECT_EQ(drawable_text("", draws_latin), "");
}

TEST(DrawableText, WhatNoFontHasBecomesItsCodePoint) {
  EXPECT_EQ(drawable_text("a😀b", draws_latin), "a\\u{1F600}b");
  EXPECT_EQ(drawable_text("日本", draws_latin), "\\u{65E5}\\u{672C}");
  EXPECT_EQ(drawable_text("a\u202eb", draws_latin), "a\\u{202E}b");
}

TEST(DrawableText, ControlCharactersAreShownEvenIfAFontClaimsThem) {
  EXPECT_EQ(drawable_text(std::string_view("a\0\n\t\x7f", 5), [](char32_t) { return true; }), "a\\u{0}\\u{A}\\u{9}\\u{7F}");
  EXPECT_EQ(drawable_text("\xc2\x85", [](char32_t) { return true; }), "\\u{85}");
}

TEST(DrawableText, BytesThatAreNoUtf8AreShownOneByOne) {
  const auto all = [](char32_t) { return true; };
  EXPECT_EQ(drawable_text("a\xff", all), "a\\xFF");
  EXPECT_EQ(drawable_text("\xc0\x80", all), "\\xC0\\x80") << "overlong";
  EXPECT_EQ(drawable_text("\xed\xa0\x80", all), "\\xED\\xA0\\x80") << "surrogate";
  EXPECT_EQ(drawable_text("\xf4\x90\x80\x80", all), "\\xF4\\x90\\x80\\x80") << "above U+10FFFF";
  EXPECT_EQ(drawable_text("\xe6\x97", all), "\\xE6\\x97") << "cut off";
  EXPECT_EQ(drawable_text("\x80", all), "\\x80") << "a continuation alone";
}

TEST(CodePointAt, EveryCodePointComesBack) {
  const auto encode = [](char32_t c) {
    std::string bytes;
    const auto low = [&](unsigned shift) { bytes.push_back(static_cast<char>(0x80U | ((c >> shift) & 0x3fU))); };
    if (c < 0x80) {
      bytes.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
      bytes.push_back(static_cast<char>(0xc0U | (c >> 6U)));
      low(0);
    } else if (c < 0x10000) {
      bytes.push_back(static_cast<char>(0xe0U | (c >> 12U)));
      low(6);
      low(0);
    } else {
      bytes.push_back(static_cast<char>(0xf0U | (c >> 18U)));
      low(12);
      low(6);
      low(0);
    }
    return bytes;
  };
  for (char32_t c = 0; c <= 0x10ffff; c += c < 0x3000 ? 1 : 61) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::string bytes = encode(c);
    const CodePoint point = code_point_at(bytes, 0);
    ASSERT_TRUE(point.is_valid) << static_cast<unsigned>(c);
    ASSERT_EQ(point.value, c);
    ASSERT_EQ(point.length, bytes.size());
  }
}

}  // namespace
}  // namespace headroom
