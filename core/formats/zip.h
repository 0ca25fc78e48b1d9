#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/formats/numeric_array.h"

namespace headroom {

/// One member of a zip archive, as its central directory says.
struct ZipEntry {
  std::string name;  ///< bytes of the archive, of any kind: a key, never a path
  enum class Method { kStored, kDeflated } method = Method::kStored;
  std::uint64_t compressed = 0, size = 0;  ///< bytes in the file, and of the member
  std::uint32_t crc = 0;
  std::uint64_t local_header = 0;  ///< offset of its own header
};

struct ZipLimits {
  std::uint64_t max_entries = 65536;
  std::uint64_t max_directory_bytes = 16u << 20;
  std::uint64_t max_inflated_bytes = kMaxHeldBytes;  ///< of all deflated members together
  /// Deflate cannot do more than 1032 to 1: what comes near it holds nothing but repeats.
  std::uint64_t max_ratio = 1000;
  std::uint64_t max_checked_bytes = 64u << 20;  ///< a stored member up to this size is read once for its checksum
};

/// A zip archive opened for reading by member: its directory is checked completely, members are read by need.
/// Errors  Error with the file, the member and what would be right: truncated, several disks, encrypted, another compression than deflate, two
///         members of one name, members that overlap, over the limits.
class ZipFile {
 public:
  explicit ZipFile(const std::filesystem::path& path, const ZipLimits& limits = {});

  const std::vector<ZipEntry>& entries() const { return entries_; }  ///< in the directory's order
  const std::filesystem::path& path() const { return file_->path(); }
  /// A member's bytes: stored ones where they lie, deflated ones inflated when more than their first bytes are asked for, then kept.
  /// Errors  Error when the member's own header says otherwise than the directory, or its checksum is wrong: of a deflated member when it is
  ///         read, of a stored one above max_checked_bytes never (is_checked).
  std::shared_ptr<const ByteSource> open(const ZipEntry& entry) const;
  bool is_checked(const ZipEntry& entry) const;

 private:
  std::shared_ptr<const InputFile> file_;
  ZipLimits limits_;
  std::uint64_t directory_begin_ = 0;
  std::vector<ZipEntry> entries_;
};

/// Whether a file begins as a zip archive with members does.
bool begins_as_zip(std::string_view first_bytes);

}  // namespace headroom
