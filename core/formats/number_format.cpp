#include "core/formats/number_format.h"

#include <cstring>
#include <limits>

#include "core/formats/safetensors.h"
#include "core/tensor/dtype.h"

namespace headroom {
namespace {

using Kind = NumberFormat::Kind;

std::uint64_t bits_of(const NumberFormat& format, const std::byte* bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < format.bytes; ++i) {
    const std::size_t at = format.order == std::endian::little ? i : format.bytes - 1 - i;
    value |= static_cast<std::uint64_t>(bytes[at]) << (8 * i);
  }
  return value;
}

/// The plain cast of a number outside float32's range would be undefined.
float narrowed(double value) {
  constexpr double kMax = std::numeric_limits<float>::max();
  constexpr double kRoundsToInfinity = 0x1.ffffffp127;
  const double size = value < 0 ? -value : value;
  if (!(size > kMax)) return static_cast<float>(value);  // NaN too
  const float nearest = size < kRoundsToInfinity ? std::numeric_limits<float>::max() : std::numeric_limits<float>::infinity();
  return value < 0 ? -nearest : nearest;
}

float to_float(const NumberFormat& format, const std::byte* bytes) {
  const std::uint64_t bits = bits_of(format, bytes);
  switch (format.kind) {
    case Kind::kBFloat:
      return from_bfloat16(static_cast<std::uint16_t>(bits));
    case Kind::kFloat:
      if (format.bytes == 2) return from_float16(static_cast<std::uint16_t>(bits));
      if (format.bytes == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
      return narrowed(std::bit_cast<double>(bits));
    case Kind::kUnsigned:
      return static_cast<float>(bits);
    case Kind::kSigned:
      return static_cast<float>(read_integer(format, bytes));
    case Kind::kBool:
      break;
  }
  return bits != 0 ? 1.0F : 0.0F;
}

}  // namespace

std::string number_name(const NumberFormat& format) {
  const std::string bits = std::to_string(8 * format.bytes);
  std::string name;
  switch (format.kind) {
    case Kind::kBool:
      name = "bool";
      break;
    case Kind::kSigned:
      name = "int" + bits;
      break;
    case Kind::kUnsigned:
      name = "uint" + bits;
      break;
    case Kind::kFloat:
      name = "float" + bits;
      break;
    case Kind::kBFloat:
      name = "bfloat16";
      break;
  }
  return format.order == std::endian::big && format.bytes > 1 ? name + ", big-endian" : name;
}

std::optional<NumberFormat> number_format(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return NumberFormat{Kind::kBool, 1};
    case DType::kU8:
      return NumberFormat{Kind::kUnsigned, 1};
    case DType::kI8:
      return NumberFormat{Kind::kSigned, 1};
    case DType::kI16:
      return NumberFormat{Kind::kSigned, 2};
    case DType::kU16:
      return NumberFormat{Kind::kUnsigned, 2};
    case DType::kF16:
      return NumberFormat{Kind::kFloat, 2};
    case DType::kBF16:
      return NumberFormat{Kind::kBFloat, 2};
    case DType::kI32:
      return NumberFormat{Kind::kSigned, 4};
    case DType::kU32:
      return NumberFormat{Kind::kUnsigned, 4};
    case DType::kF32:
      return NumberFormat{Kind::kFloat, 4};
    case DType::kF64:
      return NumberFormat{Kind::kFloat, 8};
    case DType::kI64:
      return NumberFormat{Kind::kSigned, 8};
    case DType::kU64:
      return NumberFormat{Kind::kUnsigned, 8};
    default:
      return std::nullopt;
  }
}

void read_floats(const NumberFormat& format, std::span<const std::byte> bytes, std::span<float> to) {
  const bool is_native = format.kind == Kind::kFloat && format.bytes == 4 && format.order == std::endian::native;
  if (is_native) {
    if (!to.empty()) std::memcpy(to.data(), bytes.data(), to.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] = to_float(format, bytes.data() + i * format.bytes);
}

std::int64_t read_integer(const NumberFormat& format, const std::byte* bytes) {
  const std::uint64_t bits = bits_of(format, bytes);
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  switch (format.kind) {
    case Kind::kBool:
      return bits != 0 ? 1 : 0;
    case Kind::kUnsigned:
      return static_cast<std::int64_t>(bits > kMost ? kMost : bits);
    case Kind::kSigned: {
      const unsigned unused = 64 - 8 * static_cast<unsigned>(format.bytes);
      return static_cast<std::int64_t>(bits << unused) >> unused;
    }
    default:
      return 0;
  }
}

double row_sum_tolerance(const NumberFormat& format) {
  // Each probability is off by half a unit in the last place at most, so a row of them is by as large a share.
  if (format.kind == Kind::kBFloat) return 0x1p-7;
  if (format.kind == Kind::kFloat && format.bytes == 2) return 0x1p-9;
  return 1e-3;
}

}  // namespace headroom
