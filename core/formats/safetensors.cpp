#include "core/formats/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <new>

#include "core/formats/safetensors_header.h"
#include "core/formats/utf8.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100000000;  // of the format itself
constexpr std::size_t kChunkBytes = 1u << 20;

std::uint64_t little_endian(const std::byte* bytes, std::size_t n) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < n; ++i)
    value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

/// The plain cast of a double beyond float's range would be undefined.
float rounded(double value) {
  constexpr double kMax = std::numeric_limits<float>::max();
  if (value > kMax && value < 0x1.ffffffp127) return std::numeric_limits<float>::max();
  if (value < -kMax && value > -0x1.ffffffp127) return -std::numeric_limits<float>::max();
  if (value > kMax) return std::numeric_limits<float>::infinity();
  if (value < -kMax) return -std::numeric_limits<float>::infinity();
  return static_cast<float>(value);
}

/// As a Tensor's shape. A Tensor without dimensions holds nothing, so a scalar becomes a vector of one. An empty tensor may have absurd
/// dimensions beside its zero, which are not multiplied again.
std::vector<std::int64_t> tensor_shape(const TensorEntry& entry) {
  if (entry.begin == entry.end) return {0};
  if (entry.shape.empty()) return {1};
  return {entry.shape.begin(), entry.shape.end()};  // its product fits the file's size, so each dimension fits
}

std::string of_tensor(const SafetensorsFile& file, const TensorEntry& entry) {
  return shown_path(file.path()) + ": tensor " + in_quotes(entry.name, 120);
}

/// Calls body(first index, bytes, count) over the tensor's values, a chunk at a time.
template <typename Body>
void for_each_chunk(const InputFile& file, std::uint64_t begin, const TensorEntry& entry, const Body& body) {
  const std::size_t width = static_cast<std::size_t>(dtype_bits(entry.dtype)) / 8;
  const std::uint64_t total = entry.end - entry.begin;
  std::vector<std::byte> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(total, kChunkBytes)));
  for (std::uint64_t done = 0; done < total; done += chunk.size()) {
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(total - done, chunk.size()));
    file.read(begin + entry.begin + done, std::span(chunk.data(), n));
    body(static_cast<std::size_t>(done) / width, chunk.data(), n / width);
  }
}

void require_float(const SafetensorsFile& file, const TensorEntry& entry) {
  if (!is_float(entry.dtype))
    throw Error(of_tensor(file, entry) + " has dtype " + dtype_name(entry.dtype) +
                ", which is not read as numbers (F32, F16, BF16, F64 are)");
}

}  // namespace

bool is_float(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64; }

FloatType stored_type(DType dtype) {
  if (dtype == DType::kF16) return FloatType::kFloat16;
  if (dtype == DType::kBF16) return FloatType::kBFloat16;
  return FloatType::kFloat32;
}

void to_floats(DType dtype, std::span<const std::byte> bytes, std::span<float> to) {
  const std::byte* from = bytes.data();
  if (dtype == DType::kF32 && std::endian::native == std::endian::little) {
    if (!to.empty()) std::memcpy(to.data(), from, to.size_bytes());
    return;
  }
  switch (dtype) {
    case DType::kF32:
      for (std::size_t i = 0; i < to.size(); ++i)
        to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(little_endian(from + 4 * i, 4)));
      return;
    case DType::kF16:
      for (std::size_t i = 0; i < to.size(); ++i)
        to[i] = from_float16(static_cast<std::uint16_t>(little_endian(from + 2 * i, 2)));
      return;
    case DType::kBF16:
      for (std::size_t i = 0; i < to.size(); ++i)
        to[i] = from_bfloat16(static_cast<std::uint16_t>(little_endian(from + 2 * i, 2)));
      return;
    default:
      for (std::size_t i = 0; i < to.size(); ++i)
        to[i] = rounded(std::bit_cast<double>(little_endian(from + 8 * i, 8)));
  }
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path, const SafetensorsLimits& limits) : file_(path) {
  const std::string where = shown_path(path);
  const auto fail = [&](const std::string& what) -> void { throw Error(where + ": " + what); };
  std::array<std::byte, 32> first{};
  const std::size_t n_first = static_cast<std::size_t>(std::min<std::uint64_t>(first.size(), file_.size()));
  file_.read(0, std::span(first.data(), n_first));
  std::string first_text(n_first, '\0');
  if (n_first > 0) std::memcpy(first_text.data(), first.data(), n_first);
  if (file_.size() < 8) fail("has " + counted(file_.size(), "byte") + ", too short for safetensors (at least 8)");

  const std::uint64_t header_bytes = little_endian(first.data(), 8);
  // Only what cannot be a header is looked at as something else: a true length may begin with any bytes.
  const bool may_be_header = header_bytes <= file_.size() - 8 &&
                             (header_bytes == 0 || std::string_view("{ \t\n\r").find(first_text[8]) != std::string_view::npos);
  if (const std::string foreign = foreign_format(first_text); !may_be_header && !foreign.empty()) fail(foreign);
  if (header_bytes > kMaxHeaderBytes)
    fail("claims a header of " + counted(header_bytes, "byte") + ", more than the format allows (" +
         with_thousands(kMaxHeaderBytes) + "): it is no safetensors file, or damaged");
  if (header_bytes > file_.size() - 8)
    fail("claims a header of " + counted(header_bytes, "byte") + ", but the file has only " + counted(file_.size(), "byte") +
         ": truncated?");
  if (header_bytes > limits.max_header_bytes)
    fail("has a header of " + counted(header_bytes, "byte") + ", more than the limit of " +
         with_thousands(limits.max_header_bytes));

  std::string json(static_cast<std::size_t>(header_bytes), '\0');
  file_.read(8, std::as_writable_bytes(std::span(json.data(), json.size())));
  data_begin_ = 8 + header_bytes;
  SafetensorsHeader header = parse_safetensors_header(json, file_.size() - data_begin_, limits, where);
  tensors_ = std::move(header.tensors);
  metadata_ = std::move(header.metadata);
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    by_name_.emplace(tensors_[i].name, i);
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

void SafetensorsFile::read_bytes(const TensorEntry& entry, std::uint64_t first, std::span<std::byte> to) const {
  const std::uint64_t size = entry.end - entry.begin;
  if (first > size || to.size() > size - first)
    throw Error(of_tensor(*this, entry) + " has " + counted(size, "byte") + ", fewer than were asked for");
  file_.read(data_begin_ + entry.begin + first, to);
}

Tensor SafetensorsFile::read_float(const TensorEntry& entry) const {
  require_float(*this, entry);
  const std::size_t width = static_cast<std::size_t>(dtype_bits(entry.dtype)) / 8;
  try {
    Tensor tensor(tensor_shape(entry), FloatType::kFloat32);
    for_each_chunk(file_, data_begin_, entry, [&](std::size_t first, const std::byte* bytes, std::size_t n) {
      to_floats(entry.dtype, {bytes, n * width}, tensor.span().subspan(first, n));
    });
    return tensor;
  } catch (const std::bad_alloc&) {
    throw Error(of_tensor(*this, entry) + " needs " + counted((entry.end - entry.begin) / width * sizeof(float), "byte") +
                " of memory, more than there is");
  }
}

Tensor SafetensorsFile::read_stored(const TensorEntry& entry) const {
  if (stored_type(entry.dtype) == FloatType::kFloat32) return read_float(entry);
  try {
    Tensor tensor(tensor_shape(entry), stored_type(entry.dtype));
    for_each_chunk(file_, data_begin_, entry, [&](std::size_t first, const std::byte* bytes, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i)
        tensor.bits()[first + i] = static_cast<std::uint16_t>(little_endian(bytes + 2 * i, 2));
    });
    return tensor;
  } catch (const std::bad_alloc&) {
    throw Error(of_tensor(*this, entry) + " needs " + counted(entry.end - entry.begin, "byte") + " of memory, more than there is");
  }
}

std::vector<std::int64_t> SafetensorsFile::read_integers(const TensorEntry& entry) const {
  const DType dtype = entry.dtype;
  if (dtype != DType::kI32 && dtype != DType::kI64 && dtype != DType::kU8)
    throw Error(of_tensor(*this, entry) + " has dtype " + dtype_name(dtype) + ", which is not read as integers (I32, I64, U8 are)");
  const std::size_t width = static_cast<std::size_t>(dtype_bits(dtype)) / 8;
  try {
    std::vector<std::int64_t> values(static_cast<std::size_t>(entry.end - entry.begin) / width);
    for_each_chunk(file_, data_begin_, entry, [&](std::size_t first, const std::byte* bytes, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t raw = little_endian(bytes + i * width, width);
        values[first + i] =
            dtype == DType::kI32 ? static_cast<std::int32_t>(static_cast<std::uint32_t>(raw)) : static_cast<std::int64_t>(raw);
      }
    });
    return values;
  } catch (const std::bad_alloc&) {
    throw Error(of_tensor(*this, entry) + " needs more memory than there is");
  }
}

}  // namespace headroom
