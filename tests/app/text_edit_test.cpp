#include "app/widgets/text_edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "core/formats/file.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> wrapped(std::string_view text, double width) {
  std::vector<std::string> lines;
  for (const TextLine& line : wrap_lines(text, width, [](std::string_view, std::size_t, std::size_t) { return 1.0; }))
    lines.emplace_back(text.substr(line.begin, line.end - line.begin));
  return lines;
}

TEST(TextEdit, CharactersAreWholeUtf8SequencesOrSingleBadBytes) {
  const std::string text = "aé€😀\xFF\xE2\x82";  // 1, 2, 3, 4 bytes, a byte that never occurs, a sequence cut short
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < text.size(); at += character_bytes(text, at))
    starts.push_back(at);
  EXPECT_THAT(starts, ElementsAre(0, 1, 3, 6, 10, 11, 12));
  EXPECT_EQ(character_bytes(text, text.size()), 0u);
  std::vector<std::size_t> back;
  for (std::size_t at = text.size(); at > 0; at = previous_character(text, at))
    back.push_back(previous_character(text, at));
  EXPECT_THAT(back, ElementsAre(12, 11, 10, 6, 3, 1, 0));
}

TEST(TextEdit, WordsArePassedOverWithTheSpacesBetween) {
  const std::string text = "the  cat\nsat";
  EXPECT_EQ(next_word(text, 0), 3u);
  EXPECT_EQ(next_word(text, 3), 8u);
  EXPECT_EQ(next_word(text, 8), 12u);
  EXPECT_EQ(next_word(text, 12), 12u);
  EXPECT_EQ(previous_word(text, 12), 9u);
  EXPECT_EQ(previous_word(text, 9), 5u);
  EXPECT_EQ(previous_word(text, 5), 0u);
  EXPECT_EQ(previous_word(text, 0), 0u);
}

TEST(TextEdit, TypingReplacesTheSelection) {
  std::string text = "the cat sat";
  TextCursor cursor{.at = 4, .anchor = 7};
  replace_selection(text, cursor, "dog");
  EXPECT_EQ(text, "the dog sat");
  EXPECT_EQ(cursor.at, 7u);
  EXPECT_FALSE(cursor.has_selection());
  replace_selection(text, cursor, "s");
  EXPECT_EQ(text, "the dogs sat");
}

TEST(TextEdit, DeletingTakesTheSelectionBeforeTheNeighbour) {
  std::string text = "aéb";
  TextCursor cursor{.at = 3, .anchor = 3};
  delete_to(text, cursor, previous_character(text, cursor.at));
  EXPECT_EQ(text, "ab");
  EXPECT_EQ(cursor.at, 1u);
  cursor = {.at = 0, .anchor = 2};
  delete_to(text, cursor, 1);
  EXPECT_EQ(text, "");
  EXPECT_EQ(cursor.at, 0u);
}

TEST(TextEdit, CursorComesBackIntoATextThatSomebodyElseChanged) {
  TextCursor cursor{.at = 40, .anchor = 2};
  cursor.clamp_to("a€");  // byte 2 lies inside the euro sign
  EXPECT_EQ(cursor.at, 4u);
  EXPECT_EQ(cursor.anchor, 1u);
}

TEST(TextEdit, ClipboardIsCleaned) {
  EXPECT_EQ(cleaned_input("a\r\nb\rc\td\x01\x7F"), "a\nb\nc d");
  EXPECT_EQ(cleaned_input(std::string("x\0y", 3)), "xy");
  EXPECT_EQ(cleaned_input("\xFF é"), "\xFF é");
}

TEST(TextEdit, LinesBreakAtSpacesElseAnywhere) {
  EXPECT_THAT(wrapped("", 5), ElementsAre(""));
  EXPECT_THAT(wrapped("the cat sat", 7), ElementsAre("the cat", "sat"));
  EXPECT_THAT(wrapped("the cat sat", 6), ElementsAre("the", "cat", "sat"));
  EXPECT_THAT(wrapped("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(wrapped("a\n\nb\n", 9), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(wrapped("ab      c", 3), ElementsAre("ab     ", "c")) << "spaces hang over the edge";
  EXPECT_THAT(wrapped("ab", 0.5), ElementsAre("a", "b")) << "a line has at least one character";
}

TEST(TextEdit, LinesCoverEveryByteOnceInOrder) {
  const std::string text = "Das ist ein längerer Satz mit € und 😀\nund einem Umbruch   drin";
  for (double width = 1; width < 40; width += 1) {
    const auto lines = wrap_lines(std::string_view(text), width, [](std::string_view, std::size_t, std::size_t) { return 1.0; });
    std::size_t at = 0;
    for (const TextLine& line : lines) {
      ASSERT_LE(line.begin, line.end);
      ASSERT_GE(line.begin, at);
      ASSERT_LE(line.begin, at + 1) << "at most the character of the break lies between two lines";
      at = line.end;
      EXPECT_EQ(line_of(lines, line.begin), static_cast<std::size_t>(&line - lines.data()));
    }
    ASSERT_EQ(at, text.size());
  }
}

TEST(TextEdit, TheChangeBetweenTwoTextsIsTheirDifferingMiddle) {
  const auto change = [](std::string_view a, std::string_view b) {
    const TextChange made = change_between(a, b);
    return std::array{made.begin, made.old_end, made.new_end};
  };
  EXPECT_THAT(change("the cat", "the big cat"), ElementsAre(4, 4, 8));
  EXPECT_THAT(change("aaa", "aa"), ElementsAre(2, 3, 2));
  EXPECT_THAT(change("", "new"), ElementsAre(0, 0, 3));
  EXPECT_THAT(change("same", "same"), ElementsAre(4, 4, 4));
  const std::string head(10000, 'h'), tail(9000, 't');
  EXPECT_THAT(change(head + "old" + tail, head + "newer" + tail), ElementsAre(10000, 10003, 10005));
}

TEST(TextEdit, RewrappingAfterAnEditGivesTheLinesOfTheNewText) {
  // Letters of unlike widths: breaks then depend on which letter overflowed.
  const auto advance = [](std::string_view text, std::size_t at, std::size_t) { return text[at] == 'm' ? 3.0 : 1.0; };
  std::mt19937 random(7);
  const auto letters = [&](int n) {
    std::string made;
    for (int i = 0; i < n; ++i)
      made += std::string_view("aim  \n")[random() % 6];
    return made;
  };
  for (int round = 0; round < 400; ++round) {
    std::string text = letters(static_cast<int>(random() % 120));
    const double width = 1 + static_cast<double>(random() % 12);
    std::vector<TextLine> lines = wrap_lines(text, width, advance);
    for (int edit = 0; edit < 6; ++edit) {
      std::string next = text;
      const std::size_t at = random() % (text.size() + 1);
      next.replace(at, random() % (text.size() - at + 1), letters(static_cast<int>(random() % 8)));
      rewrap_lines(text, next, width, advance, lines);
      const std::vector<TextLine> whole = wrap_lines(next, width, advance);
      ASSERT_EQ(lines.size(), whole.size()) << in_quotes(text) << " to " << in_quotes(next) << " at width " << width;
      for (std::size_t i = 0; i < lines.size(); ++i) {
        ASSERT_EQ(lines[i].begin, whole[i].begin) << in_quotes(text) << " to " << in_quotes(next) << " at width " << width;
        ASSERT_EQ(lines[i].end, whole[i].end);
      }
      text = next;
    }
  }
}

}  // namespace
}  // namespace headroom
