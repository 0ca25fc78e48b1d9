#include "core/formats/zip.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "core/formats/utf8.h"
#include "core/formats/zip_bytes.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::size_t kMaxComment = 65535;
constexpr std::uint64_t kIn64 = 0xFFFFFFFF;  // "see the 64-bit field"
constexpr std::uint64_t kSmall = 1u << 20;   // of which no ratio makes a bomb

/// Little-endian numbers out of bytes that are there: `has` is asked first.
class Fields {
 public:
  explicit Fields(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool has(std::size_t at, std::size_t n) const { return at <= bytes_.size() && n <= bytes_.size() - at; }
  std::uint64_t get(std::size_t at, std::size_t n) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < n; ++i)
      value |= static_cast<std::uint64_t>(bytes_[at + i]) << (8 * i);
    return value;
  }
  std::string text(std::size_t at, std::size_t n) const {
    std::string text(n, '\0');
    for (std::size_t i = 0; i < n; ++i)
      text[i] = static_cast<char>(bytes_[at + i]);
    return text;
  }

 private:
  std::span<const std::byte> bytes_;
};

std::vector<std::byte> read_bytes(const InputFile& file, std::uint64_t at, std::uint64_t n) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(n));
  file.read(at, bytes);
  return bytes;
}

struct Directory {
  std::uint64_t begin = 0, bytes = 0, n_entries = 0;
};

/// Puts 64-bit values from the extra field 1 in place of those that say "see there", in their fixed order. False: it is too short.
bool take_zip64(const Fields& extra, std::size_t begin, std::size_t size, std::initializer_list<std::uint64_t*> values) {
  for (std::size_t at = begin; at + 4 <= begin + size;) {
    const std::size_t length = static_cast<std::size_t>(extra.get(at + 2, 2));
    if (at + 4 + length > begin + size) return false;
    if (extra.get(at, 2) == 1) {
      std::size_t from = at + 4;
      for (std::uint64_t* value : values) {
        if (*value != kIn64) continue;
        if (from + 8 > at + 4 + length) return false;
        *value = extra.get(from, 8);
        from += 8;
      }
      return true;
    }
    at += 4 + length;
  }
  return std::none_of(values.begin(), values.end(), [](const std::uint64_t* value) { return *value == kIn64; });
}

Directory find_directory(const InputFile& file, const std::string& where) {
  const auto fail = [&](const std::string& what) -> void { throw Error(where + ": " + what); };
  if (file.size() < kEndBytes) fail("is too short for a zip archive");
  const std::uint64_t n_tail = std::min<std::uint64_t>(file.size(), kEndBytes + kMaxComment);
  const std::vector<std::byte> tail = read_bytes(file, file.size() - n_tail, n_tail);
  const Fields fields(tail);
  std::optional<std::size_t> end;
  for (std::size_t at = tail.size() - kEndBytes + 1; at-- > 0 && !end;) {
    if (fields.get(at, 4) == kEnd && at + kEndBytes + fields.get(at + 20, 2) == tail.size()) end = at;
  }
  if (!end) fail("the zip archive has no directory at its end: truncated?");
  Directory found{fields.get(*end + 16, 4), fields.get(*end + 12, 4), fields.get(*end + 10, 2)};
  if (fields.get(*end + 4, 2) != 0 && fields.get(*end + 4, 2) != 0xFFFF)
    fail("the zip archive is in several parts, of which this is one");
  const std::uint64_t end_at = file.size() - n_tail + *end;
  const bool is_64 = found.begin == kIn64 || found.bytes == kIn64 || found.n_entries == 0xFFFF;
  if (is_64 && end_at >= kLocatorBytes) {
    const std::vector<std::byte> locator = read_bytes(file, end_at - kLocatorBytes, kLocatorBytes);
    const Fields at(locator);
    if (at.get(0, 4) == kEnd64Locator) {
      const std::uint64_t record = at.get(8, 8);
      if (record > file.size() || file.size() - record < kEnd64Bytes)
        fail("the zip archive's 64-bit directory lies outside the file");
      const std::vector<std::byte> bytes = read_bytes(file, record, kEnd64Bytes);
      const Fields end64(bytes);
      if (end64.get(0, 4) != kEnd64) fail("the zip archive's 64-bit directory is damaged");
      found = {end64.get(48, 8), end64.get(40, 8), end64.get(32, 8)};
    }
  }
  if (found.begin > end_at || found.bytes > end_at - found.begin)
    fail("the zip archive's directory lies outside the file: truncated?");
  return found;
}

/// Errors  Error when it cannot be read: encrypted, another method.
ZipEntry read_central(const Fields& fields, std::size_t& at, const std::string& where) {
  const auto fail = [&](const std::string& what) -> void { throw Error(where + ": " + what); };
  if (!fields.has(at, kCentralBytes) || fields.get(at, 4) != kCentralHeader) fail("the zip archive's directory is damaged");
  const std::uint64_t flags = fields.get(at + 8, 2), method = fields.get(at + 10, 2);
  const auto n_name = static_cast<std::size_t>(fields.get(at + 28, 2)), n_extra = static_cast<std::size_t>(fields.get(at + 30, 2)),
             n_comment = static_cast<std::size_t>(fields.get(at + 32, 2));
  if (!fields.has(at + kCentralBytes, n_name + n_extra + n_comment)) fail("the zip archive's directory is damaged");
  ZipEntry entry;
  entry.name = fields.text(at + kCentralBytes, n_name);
  entry.crc = static_cast<std::uint32_t>(fields.get(at + 16, 4));
  entry.compressed = fields.get(at + 20, 4);
  entry.size = fields.get(at + 24, 4);
  entry.local_header = fields.get(at + 42, 4);
  const std::string member = "member " + in_quotes(entry.name);
  if (!take_zip64(fields, at + kCentralBytes + n_name, n_extra, {&entry.size, &entry.compressed, &entry.local_header}))
    fail(member + " has a damaged 64-bit field");
  if ((flags & 1u) != 0) fail(member + " is encrypted; nothing encrypted is read");
  if (method != 0 && method != 8)
    fail(member + " is compressed by method " + std::to_string(method) + "; write it with np.savez, which compresses nothing");
  entry.method = method == 0 ? ZipEntry::Method::kStored : ZipEntry::Method::kDeflated;
  if (entry.method == ZipEntry::Method::kStored && entry.compressed != entry.size) fail(member + " is stored, but has two sizes");
  at += kCentralBytes + n_name + n_extra + n_comment;
  return entry;
}

/// No member may lie on another: a few bytes that count for thousands of members are how bombs are made.
void check_places(const std::vector<ZipEntry>& entries, std::uint64_t directory_begin, const std::string& where) {
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : entries)
    order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const ZipEntry* a, const ZipEntry* b) { return a->local_header < b->local_header; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const ZipEntry& entry = *order[i];
    const std::uint64_t end = i + 1 < order.size() ? order[i + 1]->local_header : directory_begin;
    const std::uint64_t least = kLocalBytes + entry.name.size();
    const bool fits =
        entry.local_header <= end && end - entry.local_header >= least && end - entry.local_header - least >= entry.compressed;
    if (!fits)
      throw Error(where + ": member " + in_quotes(entry.name) + " overlaps " +
                  (i + 1 < order.size() ? "member " + in_quotes(order[i + 1]->name) : std::string("the directory")));
  }
}

}  // namespace

bool begins_as_zip(std::string_view first_bytes) { return first_bytes.starts_with("PK\x03\x04"); }

ZipFile::ZipFile(const std::filesystem::path& path, const ZipLimits& limits)
    : file_(std::make_shared<const InputFile>(path)), limits_(limits) {
  const std::string where = shown_path(path);
  const auto fail = [&](const std::string& what) -> void { throw Error(where + ": " + what); };
  const Directory directory = find_directory(*file_, where);
  directory_begin_ = directory.begin;
  if (directory.n_entries > limits.max_entries)
    fail("the zip archive has " + counted(directory.n_entries, "member") + ", more than the limit of " +
         with_thousands(limits.max_entries));
  if (directory.bytes > limits.max_directory_bytes)
    fail("the zip archive's directory has " + counted(directory.bytes, "byte") + ", more than the limit of " +
         with_thousands(limits.max_directory_bytes));
  const std::vector<std::byte> bytes = read_bytes(*file_, directory.begin, directory.bytes);
  const Fields fields(bytes);
  std::unordered_set<std::string> names;
  std::uint64_t inflated = 0;
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < directory.n_entries; ++i) {
    ZipEntry entry = read_central(fields, at, where);
    const std::string member = "member " + in_quotes(entry.name);
    if (!names.insert(entry.name).second) fail(member + " is there twice");
    if (entry.method == ZipEntry::Method::kDeflated) {
      if (entry.size > kSmall && entry.size / std::max<std::uint64_t>(1, entry.compressed) >= limits.max_ratio)
        fail(member + " grows from " + counted(entry.compressed, "byte") + " to " + with_thousands(entry.size) +
             ": nothing but repeats, which is not inflated");
      inflated =
          entry.size > limits.max_inflated_bytes ? entry.size : inflated + entry.size;  // cannot wrap: each is below the limit
      if (inflated > limits.max_inflated_bytes)
        fail("its compressed members take more than " + with_thousands(limits.max_inflated_bytes) +
             " bytes, too many to hold in memory: use np.savez instead of np.savez_compressed");
    }
    entries_.push_back(std::move(entry));
  }
  if (at != bytes.size()) fail("the zip archive's directory has " + counted(bytes.size() - at, "unexpected byte"));
  check_places(entries_, directory_begin_, where);
}

bool ZipFile::is_checked(const ZipEntry& entry) const {
  return entry.method == ZipEntry::Method::kDeflated || entry.size <= limits_.max_checked_bytes;
}

std::shared_ptr<const ByteSource> ZipFile::open(const ZipEntry& entry) const {
  const std::string where = shown_path(path()) + ": member " + in_quotes(entry.name);
  const std::vector<std::byte> header = read_bytes(*file_, entry.local_header, kLocalBytes);  // its place was checked
  const Fields fields(header);
  if (fields.get(0, 4) != kLocalHeader) throw Error(where + " has no header of its own where the directory says");
  const auto n_name = static_cast<std::size_t>(fields.get(26, 2)), n_extra = static_cast<std::size_t>(fields.get(28, 2));
  const std::uint64_t data = entry.local_header + kLocalBytes + n_name + n_extra;
  if (data > directory_begin_ || entry.compressed > directory_begin_ - data) throw Error(where + " runs into the directory");
  const std::vector<std::byte> rest = read_bytes(*file_, entry.local_header + kLocalBytes, n_name + n_extra);
  const Fields names(rest);
  std::uint64_t size = fields.get(22, 4), compressed = fields.get(18, 4);
  const bool has_descriptor = (fields.get(6, 2) & 8u) != 0;  // then both sizes stand behind the data, and 0 or nothing of use here
  const std::uint64_t method = entry.method == ZipEntry::Method::kStored ? 0 : 8;
  const bool is_same = names.text(0, n_name) == entry.name && fields.get(8, 2) == method && (fields.get(6, 2) & 1u) == 0;
  if (!is_same || !take_zip64(names, n_name, n_extra, {&size, &compressed}) ||
      (!has_descriptor && (size != entry.size || compressed != entry.compressed)))
    throw Error(where + " has a header that says otherwise than the directory");
  if (entry.method == ZipEntry::Method::kDeflated)
    return std::make_shared<DeflatedBytes>(DeflatedMember{file_, data, entry.compressed, entry.size, entry.crc, where});
  auto bytes = std::make_shared<FileBytes>(file_, data);
  if (is_checked(entry)) check_crc(*bytes, {entry.size, entry.crc}, where);
  return bytes;
}

}  // namespace headroom
