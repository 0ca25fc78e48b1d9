#include "core/formats/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <new>

#include "core/formats/safetensors_header.h"
#include "core/formats/utf8.h"
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

float from_f16(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1Fu;
  const std::uint32_t fraction = half & 0x3FFu;
  if (exponent == 0) {  // zero or subnormal: fraction × 2^-24, exact in float
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 0x1F ? 0xFFu : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

float to_float(DType dtype, const std::byte* bytes) {
  switch (dtype) {
    case DType::kF32:
      return std::bit_cast<float>(static_cast<std::uint32_t>(little_endian(bytes, 4)));
    case DType::kF16:
      return from_f16(static_cast<std::uint16_t>(little_endian(bytes, 2)));
    case DType::kBF16:
      return std::bit_cast<float>(static_cast<std::uint32_t>(little_endian(bytes, 2)) << 16);
    default: {
      // A double beyond float's range becomes infinity and is then counted as non-finite; the plain cast would be undefined.
      const double value = std::bit_cast<double>(little_endian(bytes, 8));
      constexpr double kMax = std::numeric_limits<float>::max();
      if (value > kMax && value < 0x1.ffffffp127) return std::numeric_limits<float>::max();
      if (value < -kMax && value > -0x1.ffffffp127) return -std::numeric_limits<float>::max();
      if (value > kMax) return std::numeric_limits<float>::infinity();
      if (value < -kMax) return -std::numeric_limits<float>::infinity();
      return static_cast<float>(value);
    }
  }
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

}  // namespace

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

Tensor SafetensorsFile::read_float(const TensorEntry& entry) const {
  const DType dtype = entry.dtype;
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16 && dtype != DType::kF64)
    throw Error(of_tensor(*this, entry) + " has dtype " + dtype_name(dtype) +
                ", which is not read as numbers (F32, F16, BF16, F64 are)");
  // A Tensor without dimensions holds nothing, so a scalar becomes a vector of one. An empty tensor may have absurd dimensions beside
  // its zero, which are not multiplied again.
  std::vector<std::int64_t> shape;
  if (entry.begin == entry.end) {
    shape = {0};
  } else if (entry.shape.empty()) {
    shape = {1};
  } else {
    for (const std::uint64_t n : entry.shape)
      shape.push_back(static_cast<std::int64_t>(n));  // its product fits the file's size, so each dimension fits
  }
  const std::size_t width = static_cast<std::size_t>(dtype_bits(dtype)) / 8;
  try {
    Tensor tensor(std::move(shape));
    float* values = tensor.data();
    for_each_chunk(file_, data_begin_, entry, [&](std::size_t first, const std::byte* bytes, std::size_t n) {
      if (dtype == DType::kF32 && std::endian::native == std::endian::little) {
        std::memcpy(values + first, bytes, n * sizeof(float));
      } else {
        for (std::size_t i = 0; i < n; ++i)
          values[first + i] = to_float(dtype, bytes + i * width);
      }
    });
    return tensor;
  } catch (const std::bad_alloc&) {
    throw Error(of_tensor(*this, entry) + " needs " + counted((entry.end - entry.begin) / width * sizeof(float), "byte") +
                " of memory, more than there is");
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
