#include "core/formats/file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <csignal>
#include <thread>
#include <vector>

#include "tests/formats/testing.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_files::bytes_of;
using testing_files::message_of;
using testing_files::TemporaryFolder;

std::string opening(const fs::path& path) {
  return message_of([&] { const InputFile file(path); });
}
std::string writing(const fs::path& path, std::string_view bytes = "new") {
  return message_of([&] { write_file_atomically(path, bytes); });
}

TEST(InputFile, ReadsByPosition) {
  const TemporaryFolder folder;
  const InputFile file(folder.file("a", "0123456789"));
  EXPECT_EQ(file.size(), 10u);
  std::string middle(4, ' ');
  file.read(3, std::as_writable_bytes(std::span(middle.data(), middle.size())));
  EXPECT_EQ(middle, "3456");
}

TEST(InputFile, MissingFileIsNamed) {
  const TemporaryFolder folder;
  EXPECT_EQ(opening(folder / "none"), (folder / "none").native() + ": cannot be opened: No such file or directory");
}

TEST(InputFile, FolderIsRefused) {
  const TemporaryFolder folder;
  EXPECT_EQ(opening(folder.path()), folder.path().native() + ": is a folder, not a file");
}

TEST(InputFile, PipeIsRefusedWithoutWaitingForAWriter) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(opening(folder / "pipe"), AllOf(StartsWith((folder / "pipe").native()), HasSubstr("is not a regular file")));
}

TEST(InputFile, SocketIsRefused) {
  const TemporaryFolder folder;
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(descriptor, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (folder / "socket").native().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_THAT(opening(folder / "socket"), HasSubstr("cannot be opened"));
  ::close(descriptor);
}

TEST(InputFile, DevicesAreRefused) {
  EXPECT_EQ(opening("/dev/zero"), "/dev/zero: is not a regular file");
  EXPECT_EQ(opening("/dev/full"), "/dev/full: is not a regular file");
}

TEST(InputFile, LinksAreFollowedDanglingAndLoopingOnesAreErrors) {
  const TemporaryFolder folder;
  folder.file("a", "abc");
  fs::create_symlink("a", folder / "link");
  fs::create_symlink("nowhere", folder / "dangling");
  fs::create_symlink("loop", folder / "loop");
  EXPECT_EQ(InputFile(folder / "link").size(), 3u);
  EXPECT_THAT(opening(folder / "dangling"), HasSubstr("No such file"));
  EXPECT_THAT(opening(folder / "loop"), HasSubstr("Too many levels of symbolic links"));
}

TEST(InputFile, PermissionDeniedIsSaid) {
  if (::geteuid() == 0) GTEST_SKIP() << "the administrator may read everything";
  const TemporaryFolder folder;
  ::chmod(folder.file("a", "abc").c_str(), 0);
  EXPECT_THAT(opening(folder / "a"), HasSubstr("Permission denied"));
}

TEST(InputFile, ShrinkingFileIsTold) {
  const TemporaryFolder folder;
  const InputFile file(folder.file("a", "0123456789"));
  fs::resize_file(folder / "a", 5);
  std::string all(10, ' ');
  EXPECT_THAT(message_of([&] { file.read(0, std::as_writable_bytes(std::span(all.data(), all.size()))); }),
              AllOf(StartsWith((folder / "a").native()), HasSubstr("the file changed while reading")));
}

TEST(InputFile, LongNameIsShortenedInTheMessage) {
  const std::string message = opening(fs::path("/tmp") / std::string(5000, 'x'));
  EXPECT_THAT(message, HasSubstr("File name too long"));
  EXPECT_LT(message.size(), 600u);
}

TEST(ReadTextFile, LimitIsKept) {
  const TemporaryFolder folder;
  folder.file("a", std::string(1001, 'x'));
  EXPECT_EQ(read_text_file(folder / "a", 1001).size(), 1001u);
  EXPECT_THAT(message_of([&] { read_text_file(folder / "a", 1000); }), HasSubstr("has 1,001 bytes, more than the limit of 1,000"));
}

TEST(WriteFile, MakesAndReplaces) {
  const TemporaryFolder folder;
  EXPECT_EQ(writing(folder / "a", std::string("one\0two", 7)), "");
  EXPECT_EQ(bytes_of(folder / "a"), std::string("one\0two", 7));
  EXPECT_EQ(writing(folder / "a", ""), "");
  EXPECT_EQ(bytes_of(folder / "a"), "");
  EXPECT_EQ(folder.n_entries(), 1u);
}

TEST(WriteFile, KeepsThePermissionsOfTheOldFile) {
  const TemporaryFolder folder;
  ::chmod(folder.file("a", "old").c_str(), 0640);
  EXPECT_EQ(writing(folder / "a"), "");
  struct stat status {};
  ASSERT_EQ(::stat((folder / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST(WriteFile, FollowsLinksAndKeepsThem) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  folder.file("real/target", "old");
  fs::create_symlink("real/target", folder / "inner");
  fs::create_symlink("inner", folder / "outer");
  fs::create_symlink("real/made", folder / "dangling");
  EXPECT_EQ(writing(folder / "outer"), "");
  EXPECT_EQ(writing(folder / "dangling", "made"), "");
  EXPECT_TRUE(fs::is_symlink(folder / "outer"));
  EXPECT_TRUE(fs::is_symlink(folder / "inner"));
  EXPECT_EQ(bytes_of(folder / "real/target"), "new");
  EXPECT_EQ(bytes_of(folder / "real/made"), "made");
}

TEST(WriteFile, LoopOfLinksIsAnError) {
  const TemporaryFolder folder;
  fs::create_symlink("loop", folder / "loop");
  EXPECT_THAT(writing(folder / "loop"), HasSubstr("Too many levels of symbolic links"));
}

TEST(WriteFile, FolderAsTargetIsAnError) {
  const TemporaryFolder folder;
  EXPECT_EQ(writing(folder.path()), folder.path().native() + ": cannot be written: it is a folder");
  EXPECT_THAT(writing(folder.path().native() + "/"), HasSubstr("cannot be written"));
  EXPECT_EQ(folder.n_entries(), 0u);
}

TEST(WriteFile, DeviceIsNotReplaced) {
  EXPECT_EQ(writing("/dev/full"), "/dev/full: cannot be written: it is not a regular file");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(WriteFile, MissingFolderAndUnwritableFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(writing(folder / "none/a"), HasSubstr("none/a: cannot be written: No such file or directory"));
  folder.file("a", "x");
  EXPECT_THAT(writing(folder / "a/b"), HasSubstr("Not a directory"));
  EXPECT_THAT(writing("/proc/headroom.json"), StartsWith("/proc/headroom.json: cannot be written: "));
}

TEST(WriteFile, LongNameLeavesNothingBehind) {
  const TemporaryFolder folder;
  EXPECT_THAT(writing(folder / std::string(5000, 'x')), HasSubstr("File name too long"));
  EXPECT_EQ(folder.n_entries(), 0u);
}

TEST(WriteFile, EmptyNameIsAnError) { EXPECT_NE(writing(""), ""); }

/// A full disk in small: files may not grow beyond a limit.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(WriteFile, FullDiskKeepsTheOldFileAndLeavesNothingBehind) {
  const TemporaryFolder folder;
  folder.file("a", "old");
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message = writing(folder / "a", std::string(100000, 'x'));
  }
  EXPECT_EQ(message, (folder / "a").native() + ": cannot be written: File too large");
  EXPECT_EQ(bytes_of(folder / "a"), "old");
  EXPECT_EQ(folder.n_entries(), 1u);
}

TEST(WriteFile, ManyThreadsLeaveOneWholeFile) {
  const TemporaryFolder folder;
  std::vector<std::jthread> threads;
  for (char c = 'a'; c < 'e'; ++c)
    threads.emplace_back([&folder, c] {
      for (int i = 0; i < 20; ++i)
        write_file_atomically(folder / "f", std::string(50000, c));
    });
  threads.clear();
  const std::string bytes = bytes_of(folder / "f");
  ASSERT_EQ(bytes.size(), 50000u);
  EXPECT_EQ(bytes, std::string(50000, bytes[0]));
  EXPECT_EQ(folder.n_entries(), 1u);
}

TEST(EscapeForDisplay, MakesHiddenThingsVisible) {
  EXPECT_EQ(escape_for_display("plain ünïcode 世界 😀"), "plain ünïcode 世界 😀");
  EXPECT_EQ(escape_for_display(std::string_view("a\0b\n\x1b[31m", 9)), "a\\u{0}b\\u{A}\\u{1B}[31m");
  EXPECT_EQ(escape_for_display("\u202Eabc\u2069"), "\\u{202E}abc\\u{2069}");
  EXPECT_EQ(escape_for_display("a\xFF\xC3(\xED\xA0\x80"), "a\\xFF\\xC3(\\xED\\xA0\\x80");
  EXPECT_EQ(escape_for_display("👨‍👩‍👧"), "👨‍👩‍👧") << "the joiner shapes a family";
}

TEST(EscapeForDisplay, CutsBetweenCodePoints) {
  EXPECT_EQ(escape_for_display("ääää", 5), "ää…");
  EXPECT_EQ(escape_for_display("abcd", 4), "abcd");
  EXPECT_EQ(escape_for_display("\x01\x01", 7), "\\u{1}…");
}

}  // namespace
}  // namespace headroom
