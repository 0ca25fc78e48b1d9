#include "core/formats/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxReadBytes = 64u << 20;  // one pread: far below the kernel's 2 GiB limit

std::int64_t change_time(const struct stat& status) {
#ifdef __APPLE__
  const timespec& time = status.st_mtimespec;
#else
  const timespec& time = status.st_mtim;
#endif
  return static_cast<std::int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

bool is_hidden(char32_t c) {
  // The joiners shape emoji and several scripts and reorder nothing.
  if (c == 0x200C || c == 0x200D) return false;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string shown_path(const std::filesystem::path& path) { return escape_for_display(path.native(), 400); }

std::string errno_text(int error) { return std::generic_category().message(error); }

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  const auto fail = [&](const std::string& reason) -> void {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
    throw Error(shown_path(path_) + ": " + reason);
  };
  // O_NONBLOCK: opening a FIFO must not wait for a writer. It means nothing for the regular files that are let through.
  do
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) fail("cannot be opened: " + errno_text(errno));
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail("cannot be examined: " + errno_text(errno));
  if (S_ISDIR(status.st_mode)) fail("is a folder, not a file");
  if (!S_ISREG(status.st_mode)) fail("is not a regular file");
  size_ = static_cast<std::uint64_t>(status.st_size);
  changed_ = change_time(status);
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(std::exchange(other.size_, 0)),
      changed_(std::exchange(other.changed_, 0)) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(changed_, other.changed_);
  return *this;
}

void InputFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(descriptor_, bytes.data(), std::min(bytes.size(), kMaxReadBytes), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      throw Error(shown_path(path_) + ": cannot be read: " + errno_text(errno));
    }
    if (n == 0)
      throw Error(shown_path(path_) + ": the file changed while reading: it ends before byte " +
                  std::to_string(offset + bytes.size()));
    offset += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void InputFile::check_unchanged() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) throw Error(shown_path(path_) + ": cannot be examined: " + errno_text(errno));
  if (static_cast<std::uint64_t>(status.st_size) != size_ || change_time(status) != changed_)
    throw Error(shown_path(path_) + ": the file changed while reading: open it again");
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const InputFile file(path);
  if (file.size() > max_bytes)
    throw Error(shown_path(path) + ": has " + counted(file.size(), "byte") + ", more than the limit of " +
                with_thousands(max_bytes));
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

std::string escape_for_display(std::string_view text, std::size_t max_bytes) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const Utf8Step step = decode_utf8(text, i);
    std::string piece;
    char code[16];
    if (!step.is_valid) {
      for (std::size_t j = i; j < i + step.bytes; ++j) {
        std::snprintf(code, sizeof code, "\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(text[j])));
        piece += code;
      }
    } else if (is_hidden(step.code_point)) {
      std::snprintf(code, sizeof code, "\\u{%X}", static_cast<unsigned>(step.code_point));
      piece = code;
    } else {
      piece = text.substr(i, step.bytes);
    }
    if (result.size() + piece.size() > max_bytes) return result + "…";
    result += piece;
    i += step.bytes;
  }
  return result;
}

std::string in_quotes(std::string_view text, std::size_t max_bytes) {
  std::string result = "\"";
  result += escape_for_display(text, max_bytes);
  result += '"';
  return result;
}

}  // namespace headroom
