#include "core/formats/zip_bytes.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint64_t kFirstBytes = 4096;  // numpy's headers are far shorter
constexpr std::size_t kChunk = 65536;

/// zlib's own type for bytes that it only reads.
Bytef* zlib_bytes(std::byte* bytes) { return reinterpret_cast<Bytef*>(bytes); }

class Inflater {
 public:
  explicit Inflater(const std::string& where) {
    if (::inflateInit2(&stream_, -MAX_WBITS) != Z_OK) throw Error(where + " cannot be inflated: there is not enough memory");
  }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

enum class Extent { kFirst, kAll };

std::vector<std::byte> inflate_member(const DeflatedMember& member, Extent extent) {
  const std::uint64_t wanted = extent == Extent::kAll ? member.size : std::min(member.size, kFirstBytes);
  std::vector<std::byte> made(static_cast<std::size_t>(wanted));
  Inflater inflater(member.where);
  z_stream& stream = inflater.stream();
  std::array<std::byte, kChunk> chunk;
  std::byte surplus{};  // takes a byte too many
  std::uint64_t n_read = 0, n_made = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    if (stream.avail_in == 0) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), member.compressed - n_read));
      if (n == 0) throw Error(member.where + " ends within its compressed data");
      member.file->read(member.begin + n_read, std::span(chunk.data(), n));
      n_read += n;
      stream.next_in = zlib_bytes(chunk.data());
      stream.avail_in = static_cast<uInt>(n);
    }
    const bool is_full = n_made == wanted;
    if (is_full && extent == Extent::kFirst) return made;
    const auto room = static_cast<uInt>(std::min<std::uint64_t>(wanted - n_made, 1u << 30));
    stream.next_out = zlib_bytes(is_full ? &surplus : made.data() + n_made);
    stream.avail_out = is_full ? 1 : room;
    const uInt before = stream.avail_out;
    state = ::inflate(&stream, Z_NO_FLUSH);
    n_made += before - stream.avail_out;
    if (n_made > wanted)
      throw Error(member.where + " inflates to more than the " + std::to_string(member.size) + " bytes it claims");
    if (state == Z_BUF_ERROR && stream.avail_in == 0) state = Z_OK;  // only more input is needed
  }
  if (state != Z_STREAM_END) throw Error(member.where + " has damaged compressed data");
  if (n_made != wanted && extent == Extent::kAll) throw Error(member.where + " inflates to less than it claims");
  return made;
}

std::uint32_t crc_of(std::uint32_t crc, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t n = std::min<std::size_t>(bytes.size(), 1u << 30);
    crc = static_cast<std::uint32_t>(::crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(n)));
    bytes = bytes.subspan(n);
  }
  return crc;
}

[[noreturn]] void fail_crc(const std::string& where) {
  throw Error(where + " has another checksum than the archive says: the file is damaged");
}

}  // namespace

DeflatedBytes::DeflatedBytes(DeflatedMember member)
    : first_(inflate_member(member, Extent::kFirst)), all_([member] {
        std::vector<std::byte> made = inflate_member(member, Extent::kAll);
        if (crc_of(0, made) != member.crc) fail_crc(member.where);
        return made;
      }) {}

void DeflatedBytes::read(std::uint64_t offset, std::span<std::byte> to) const {
  if (offset <= first_.size() && to.size() <= first_.size() - offset) {
    if (!to.empty()) std::memcpy(to.data(), first_.data() + offset, to.size());
    return;
  }
  all_.read(offset, to);
}

void check_crc(const ByteSource& bytes, const Checksum& expected, const std::string& where) {
  std::vector<std::byte> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(expected.size, 1u << 20)));
  std::uint32_t crc = 0;
  for (std::uint64_t done = 0; done < expected.size; done += chunk.size()) {
    const std::span part(chunk.data(), static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), expected.size - done)));
    bytes.read(done, part);
    crc = crc_of(crc, part);
  }
  if (crc != expected.crc) fail_crc(where);
}

}  // namespace headroom
