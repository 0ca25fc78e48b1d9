#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "core/formats/shards.h"
#include "core/formats/tensor_slot.h"

namespace headroom {

/// What a long reading tells and asks after each piece, also inside one large tensor.
struct ReadWatch {
  std::function<void(std::uint64_t n_bytes)> on_read;  ///< bytes since the last call
  std::stop_token stop;
};
/// A tensor is read in pieces of at most so many bytes: few milliseconds from a warm disk, and near the processor while they are looked at.
inline constexpr std::uint64_t kReadPieceBytes = 1u << 20;

/// How a slot's matrices are kept; vectors are float32 always.
enum class KeptType {
  kStored,  ///< in the file's type, F64 as float32
  kFloat32
};

/// A tensor of a file on its way into a slot.
struct SlotReading {
  const SafetensorsFile* file = nullptr;
  const TensorEntry* entry = nullptr;  ///< of a float dtype, in the slot's shape
  TensorSlot slot;
  KeptType kept = KeptType::kStored;

  /// Of one of the parts once it is read.
  FloatType type_of(const TensorPart& part) const;
};

/// Reads the file's values into the slot's parts. Ranges of rows go straight to their place: beside the parts there is never more than
/// a piece, but for kNoneIfZero.
/// @returns  how many of the values are NaN or infinite.
/// Errors  Error ("is not zero, ...") when kZeros does not hold, or the file changed; Cancelled.
std::uint64_t read_slot(const SlotReading& reading, const ReadWatch& watch = {});

/// Number of NaN and infinite values of a tensor of a float dtype, read only to be counted. Errors  as read_slot.
std::uint64_t count_non_finite(const StoredTensor& tensor, const ReadWatch& watch = {});
/// Number of NaN and infinite values among values as they lie in a file. `dtype` is_float.
std::uint64_t count_non_finite(DType dtype, std::span<const std::byte> bytes);

}  // namespace headroom
