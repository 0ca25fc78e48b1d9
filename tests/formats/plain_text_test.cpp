#include "core/formats/plain_text.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::string_literals;

std::string failure_of(const std::string& bytes) {
  try {
    plain_text(bytes, "notes.txt");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PlainText, IsKeptAsItIs) {
  const std::string text = "the cat 🙂 שלום\tend\n\nlast\x01";
  EXPECT_EQ(plain_text(text, "notes.txt"), text);
}

TEST(PlainText, AByteOrderMarkIsTakenOff) {
  EXPECT_EQ(plain_text("\xEF\xBB\xBFthe cat", "notes.txt"), "the cat");
  EXPECT_EQ(plain_text("the \xEF\xBB\xBF"
                       "cat",
                       "notes.txt"),
            "the \xEF\xBB\xBF"
            "cat")
      << "only at the beginning";
}

TEST(PlainText, LineEndsBecomeOneCharacter) { EXPECT_EQ(plain_text("a\r\nb\rc\n\r\n\r", "notes.txt"), "a\nb\nc\n\n\n"); }

TEST(PlainText, BytesThatAreNoUtf8AreNamedWithTheirPlace) {
  EXPECT_EQ(failure_of("caf\xE9 au lait"),
            "notes.txt: byte 3 (line 1) is 0xE9, which is no UTF-8; save it as UTF-8 and open it again");
  EXPECT_THAT(failure_of("one\ntwo\n" + std::string(2000, 'x') + "\xED\xA0\x80"), HasSubstr("byte 2,008 (line 3) is 0xED"));
  for (const char* bad : {"\xC0\x80", "\xF5\x80\x80\x80", "the \xE2\x82", "\x80"})
    EXPECT_THAT(failure_of(bad), HasSubstr("no UTF-8")) << bad;
}

TEST(PlainText, OtherEncodingsAreNamed) {
  EXPECT_THAT(failure_of("\xFF\xFE"
                         "a\0"s),
              AllOf(StartsWith("notes.txt: "), HasSubstr("UTF-16;")));
  EXPECT_THAT(failure_of("\xFE\xFF\0a"s), HasSubstr("UTF-16;"));
  EXPECT_THAT(failure_of("\xFF\xFE\0\0a\0\0\0"s), HasSubstr("UTF-32;"));
  EXPECT_THAT(failure_of("\0\0\xFE\xFF"s), HasSubstr("UTF-32;"));
}

TEST(PlainText, ANulIsNoText) { EXPECT_THAT(failure_of("the\n\0cat"s), HasSubstr("byte 4 (line 2) is a NUL")); }

TEST(PlainText, NothingToReadIsSaid) {
  for (const char* empty : {"", " \r\n\t ", "\xEF\xBB\xBF"})
    EXPECT_EQ(failure_of(empty), "notes.txt: holds no text");
}

TEST(PlainText, FilesThatCannotBeReadAreSaidInOneSentence) {
  const fs::path folder = fs::path(testing::TempDir()) / "headroom-plain-text";
  fs::create_directories(folder);
  const auto failure_reading = [](const fs::path& path) -> std::string {
    try {
      read_plain_text(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(failure_reading(folder), HasSubstr("is a folder"));
  EXPECT_THAT(failure_reading(folder / "none.txt"), HasSubstr("none.txt: cannot be opened"));
  const fs::path large = folder / "large.txt";
  std::ofstream(large) << "x";
  fs::resize_file(large, kMaxPlainTextBytes + 1);  // a hole: takes no room on the disk
  EXPECT_THAT(failure_reading(large), AllOf(HasSubstr("67,108,865 bytes"), HasSubstr("limit")));
  const fs::path good = folder / "good.txt";
  std::ofstream(good) << "the cat\r\n";
  EXPECT_EQ(read_plain_text(good), "the cat\n");
  fs::remove_all(folder);
}

}  // namespace
}  // namespace headroom
