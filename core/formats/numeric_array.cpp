#include "core/formats/numeric_array.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {

void HeldBytes::read(std::uint64_t offset, std::span<std::byte> to) const {
  if (to.empty()) return;
  const std::byte* from = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (!is_made_) {
      try {
        bytes_ = make_();
      } catch (const std::bad_alloc&) {
        throw Error("there is not enough memory to hold an array that is compressed or in Fortran order");
      }
      is_made_ = true;
    }
    if (offset > bytes_.size() || to.size() > bytes_.size() - offset) throw Error("an array ends before its last number");
    from = bytes_.data() + offset;  // once made it stays as it is
  }
  std::memcpy(to.data(), from, to.size());
}

std::int64_t NumericArray::size() const {
  std::int64_t n = 1;
  for (const std::int64_t dim : shape)
    n *= dim;
  return n;
}

void NumericArray::read(std::int64_t first, std::span<float> to) const {
  const bool is_plain = format == NumberFormat{.kind = NumberFormat::Kind::kFloat, .bytes = 4, .order = std::endian::native};
  if (is_plain) return bytes->read(static_cast<std::uint64_t>(first) * 4, std::as_writable_bytes(to));
  std::array<std::byte, 16384> chunk;
  const std::size_t at_once = chunk.size() / format.bytes;
  for (std::size_t done = 0; done < to.size(); done += at_once) {
    const std::size_t n = std::min(at_once, to.size() - done);
    const std::span part(chunk.data(), n * format.bytes);
    bytes->read((static_cast<std::uint64_t>(first) + done) * format.bytes, part);
    read_floats(format, part, to.subspan(done, n));
  }
}

std::vector<std::int64_t> NumericArray::integers(std::int64_t most) const {
  if (format.is_float()) throw Error("array " + in_quotes(name) + " holds " + number_name(format) + ", where integers are needed");
  const std::int64_t n = size();
  if (n > most)
    throw Error("array " + in_quotes(name) + " has " + counted(static_cast<std::uint64_t>(n), "number") +
                ", more than the limit of " + with_thousands(static_cast<std::uint64_t>(most)));
  std::vector<std::byte> raw(static_cast<std::size_t>(n) * format.bytes);
  bytes->read(0, raw);
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = read_integer(format, raw.data() + i * format.bytes);
  return values;
}

std::optional<std::int64_t> checked_size(std::span<const std::int64_t> shape, std::size_t bytes) {
  std::int64_t n = 1;
  for (const std::int64_t dim : shape)
    if (dim < 0 || __builtin_mul_overflow(n, dim, &n)) return std::nullopt;
  std::int64_t total = 0;
  if (__builtin_mul_overflow(n, static_cast<std::int64_t>(bytes), &total)) return std::nullopt;
  return n;
}

std::string dims_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t dim : shape)
    text += (text.size() == 1 ? "" : ", ") + std::to_string(dim);
  return text + "]";
}

}  // namespace headroom
