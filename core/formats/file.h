#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace headroom {

/// A regular file opened once for reading by position. Errors are one sentence with the path and the reason.
/// Errors  Error when it is missing, not a regular file, or not readable.
class InputFile {
 public:
  explicit InputFile(std::filesystem::path path);
  ~InputFile();
  InputFile(InputFile&&) noexcept;
  InputFile& operator=(InputFile&&) noexcept;

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  /// Fills `bytes` from `offset`. Errors  Error ("file changed while reading") on a short read.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;
  /// Errors  Error ("file changed while reading") when its size or the time of its last change differs from what it was at opening.
  void check_unchanged() const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::int64_t changed_ = 0;  ///< nanoseconds
};

/// The whole file. Errors  Error, also when it is larger than max_bytes.
std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes);

/// Writes all or nothing: temporary file beside the target, fsync, rename. A symbolic link is followed to its target.
/// Errors  Error naming the path and the reason; nothing is left behind and an old file stays whole.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// The path as messages show it: escaped, at most 400 bytes.
std::string shown_path(const std::filesystem::path& path);
/// "No such file or directory", the same in every locale.
std::string errno_text(int error);

/// The text with control characters, bidirectional marks and invalid UTF-8 made visible (\u{202E}, \xFF): safe to show or log.
std::string escape_for_display(std::string_view text, std::size_t max_bytes = 200);

/// The text in double quotes, escaped: how messages name things.
std::string in_quotes(std::string_view text, std::size_t max_bytes = 120);

}  // namespace headroom
