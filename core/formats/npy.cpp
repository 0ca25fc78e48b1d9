#include "core/formats/npy.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "core/formats/npy_literal.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxRank = 16;
constexpr std::size_t kMaxTextLength = 4096;  // characters of one token

class Shifted : public ByteSource {
 public:
  Shifted(std::shared_ptr<const ByteSource> from, std::uint64_t begin) : from_(std::move(from)), begin_(begin) {}
  void read(std::uint64_t offset, std::span<std::byte> to) const override { from_->read(begin_ + offset, to); }

 private:
  std::shared_ptr<const ByteSource> from_;
  std::uint64_t begin_;
};

/// "<f4", "|u1", ">U12": what numpy writes. Errors  Error with why it is not read.
void read_type(std::string_view descr, NpyHeader& header, const std::string& where) {
  const auto fail = [&](const std::string& why) -> void { throw Error(where + ": holds the type " + in_quotes(descr) + why); };
  const std::string usual = "; numbers (f2, f4, f8, i1 to i8, u1 to u8, b1) and texts (U, S) are read";
  if (descr.size() < 2 || std::string_view("<>=|").find(descr[0]) == std::string_view::npos) fail(usual);
  const char letter = descr[1];
  if (letter == 'O')
    fail(": objects, which are pickled; they are never read. Save plain numbers instead, as with .astype('float32')");
  if (descr.size() < 3) fail(usual);
  if (letter == 'V')
    fail(
        ": raw bytes, as numpy stores bfloat16, which it does not know; save .float() or .half() of the tensor instead, or "
        "safetensors");
  std::size_t size = 0;
  for (const char c : descr.substr(2)) {
    if (c < '0' || c > '9' || size > kMaxTextLength) fail(usual);
    size = 10 * size + static_cast<std::size_t>(c - '0');
  }
  const bool is_power = size == 1 || size == 2 || size == 4 || size == 8;
  header.format.order = descr[0] == '>' ? std::endian::big : descr[0] == '<' ? std::endian::little : std::endian::native;
  using Kind = NumberFormat::Kind;
  if (letter == 'U' || letter == 'S') {
    if (size > kMaxTextLength) fail(": texts longer than " + std::to_string(kMaxTextLength) + " characters");
    header.content = letter == 'U' ? NpyHeader::Content::kUtf32 : NpyHeader::Content::kBytes;
    header.text_length = size;
    header.format.kind = Kind::kUnsigned;
    header.format.bytes = letter == 'U' ? 4 : 1;
    return;
  }
  if (letter == 'f' && is_power && size >= 2) {
    header.format.kind = Kind::kFloat;
  } else if (letter == 'i' && is_power) {
    header.format.kind = Kind::kSigned;
  } else if (letter == 'u' && is_power) {
    header.format.kind = Kind::kUnsigned;
  } else if (letter == 'b' && size == 1) {
    header.format.kind = Kind::kBool;
  } else if (letter == 'c') {
    fail(": complex numbers; save their real part or magnitude");
  } else {
    fail(usual);
  }
  header.format.bytes = size;
}

std::vector<std::byte> row_major(const ByteSource& from, const NpyHeader& header) {
  const std::size_t width = static_cast<std::size_t>(header.item_bytes());
  const std::size_t n = static_cast<std::size_t>(*checked_size(header.shape, 1));
  std::vector<std::byte> raw(n * width), sorted(n * width);
  from.read(0, raw);
  // An odometer over the row-major index; each step of axis a moves strides[a] numbers in the file, whose first axis is the fastest.
  const std::size_t rank = std::min(header.shape.size(), kMaxRank);
  std::array<std::size_t, kMaxRank> index{}, strides{};
  strides[0] = 1;
  for (std::size_t a = 1; a < rank; ++a)
    strides[a] = strides[a - 1] * static_cast<std::size_t>(header.shape[a - 1]);
  std::size_t at = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::memcpy(sorted.data() + i * width, raw.data() + at * width, width);
    for (std::size_t a = rank; a-- > 0;) {
      at += strides[a];
      if (++index[a] < static_cast<std::size_t>(header.shape[a])) break;
      at -= strides[a] * index[a];
      index[a] = 0;
    }
  }
  return sorted;
}

}  // namespace

NpyHeader parse_npy_dictionary(std::string_view text, const std::string& where) {
  const NpyDictionary read = read_npy_literal(text, where);
  NpyHeader header;
  read_type(read.descr, header, where);
  header.order = read.is_fortran_order ? NpyHeader::Order::kFortran : NpyHeader::Order::kRowMajor;
  if (read.shape.size() > kMaxRank) throw Error(where + ": has more than " + std::to_string(kMaxRank) + " dimensions");
  header.shape = read.shape;
  if (!checked_size(header.shape, std::max<std::size_t>(1, static_cast<std::size_t>(header.item_bytes()))))
    throw Error(where + ": has the shape " + dims_text(header.shape) + ", whose size does not fit 63 bits");
  return header;
}

NpyHeader read_npy_header(const ByteSource& bytes, std::uint64_t size, const std::string& where) {
  std::array<std::byte, 12> first{};
  const std::size_t n_first = static_cast<std::size_t>(std::min<std::uint64_t>(size, first.size()));
  bytes.read(0, std::span(first.data(), n_first));
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (n_first < 10 || std::memcmp(first.data(), kMagic.data(), kMagic.size()) != 0)
    throw Error(where + ": does not begin as an .npy file does");
  const auto version = static_cast<unsigned>(first[6]);
  if (version < 1 || version > 3) throw Error(where + ": is of .npy version " + std::to_string(version) + "; 1 to 3 are read");
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  if (n_first < 8 + length_bytes) throw Error(where + ": ends within its header");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i)
    length |= static_cast<std::uint64_t>(first[8 + i]) << (8 * i);
  const std::uint64_t begin = 8 + length_bytes;
  if (length > kMaxNpyHeaderBytes)
    throw Error(where + ": claims a header of " + counted(length, "byte") + ", more than the limit of " +
                with_thousands(kMaxNpyHeaderBytes));
  if (length > size - begin)
    throw Error(where + ": claims a header of " + counted(length, "byte") + ", but has only " + counted(size, "byte") +
                ": truncated?");
  std::string text(static_cast<std::size_t>(length), '\0');
  bytes.read(begin, std::as_writable_bytes(std::span(text.data(), text.size())));
  NpyHeader header = parse_npy_dictionary(text, where);
  header.data_begin = begin + length;
  const std::uint64_t item = header.item_bytes();
  const auto needed = static_cast<std::uint64_t>(*checked_size(header.shape, 1)) * item;
  const std::uint64_t found = size - header.data_begin;
  if (found < needed) throw Error(where + ": is truncated by " + counted(needed - found, "byte"));
  if (found > needed) throw Error(where + ": has " + counted(found - needed, "unexpected byte") + " after its last number");
  return header;
}

NpyArray open_npy(std::shared_ptr<const ByteSource> bytes, std::uint64_t size, const std::string& name, const std::string& where) {
  NpyArray array;
  array.header = read_npy_header(*bytes, size, where);
  array.name = name;
  array.bytes = std::make_shared<Shifted>(std::move(bytes), array.header.data_begin);
  return array;
}

NumericArray NpyArray::numbers() const {
  if (header.content != NpyHeader::Content::kNumbers)
    throw Error("array " + in_quotes(name) + " holds texts, where numbers are needed");
  NumericArray array{.name = name, .shape = header.shape, .format = header.format, .bytes = bytes};
  const bool is_sorted = header.order == NpyHeader::Order::kRowMajor || header.shape.size() < 2;
  if (is_sorted) return array;
  const std::uint64_t total = static_cast<std::uint64_t>(array.size()) * header.item_bytes();
  if (total > kMaxHeldBytes)
    throw Error("array " + in_quotes(name) + " is in Fortran order and takes " + counted(total, "byte") +
                ", too many to sort in memory: save np.ascontiguousarray of it");
  array.bytes = std::make_shared<HeldBytes>([from = bytes, header = header] { return row_major(*from, header); });
  return array;
}

std::vector<std::string> NpyArray::texts(std::int64_t most) const {
  if (header.content == NpyHeader::Content::kNumbers)
    throw Error("array " + in_quotes(name) + " holds numbers, where texts are needed");
  const std::int64_t n = *checked_size(header.shape, 1);
  const std::uint64_t total = static_cast<std::uint64_t>(n) * header.item_bytes();
  if (n > most || total > kMaxHeldBytes)
    throw Error("array " + in_quotes(name) + " has " + counted(static_cast<std::uint64_t>(n), "text") +
                ", more than the limit of " + with_thousands(static_cast<std::uint64_t>(most)));
  std::vector<std::byte> raw;
  if (header.order == NpyHeader::Order::kFortran && header.shape.size() > 1) {
    raw = row_major(*bytes, header);
  } else {
    raw.resize(static_cast<std::size_t>(total));
    bytes->read(0, raw);
  }
  std::vector<std::string> texts(static_cast<std::size_t>(n));
  const std::byte* at = raw.data();
  for (std::string& text : texts) {
    for (std::size_t i = 0; i < header.text_length; ++i, at += header.format.bytes) {
      const std::int64_t code = read_integer(header.format, at);
      if (header.content == NpyHeader::Content::kBytes) {
        text.push_back(static_cast<char>(static_cast<unsigned char>(code)));
      } else {
        const bool is_code_point = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
        append_utf8(text, is_code_point ? static_cast<char32_t>(code) : kReplacementCharacter);
      }
    }
    while (!text.empty() && text.back() == '\0')  // numpy pads with NUL and takes them away again
      text.pop_back();
  }
  return texts;
}

}  // namespace headroom
