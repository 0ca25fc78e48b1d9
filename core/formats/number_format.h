#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace headroom {

enum class DType;

/// How one number lies in a file.
struct NumberFormat {
  enum class Kind { kBool, kSigned, kUnsigned, kFloat, kBFloat } kind = Kind::kFloat;
  std::size_t bytes = 4;  ///< 1, 2, 4 or 8
  std::endian order = std::endian::little;

  bool is_float() const { return kind == Kind::kFloat || kind == Kind::kBFloat; }
  bool operator==(const NumberFormat&) const = default;
};

std::string number_name(const NumberFormat& format);  ///< "float16", "bfloat16", "int64", "float32, big-endian"

/// Of a safetensors type; nothing for those that hold no plain numbers (F4, C64, ...).
std::optional<NumberFormat> number_format(DType dtype);

/// Values as float32. A 64-bit float beyond float32's range becomes infinity; integers are rounded.
/// Shapes  bytes holds at least to.size() numbers.
void read_floats(const NumberFormat& format, std::span<const std::byte> bytes, std::span<float> to);

/// One integer; an unsigned one above 2^63 - 1 becomes that. Floats are not read here: 0.
std::int64_t read_integer(const NumberFormat& format, const std::byte* bytes);

/// How far a row of probabilities that were rounded to this format may sum from one.
double row_sum_tolerance(const NumberFormat& format);

}  // namespace headroom
