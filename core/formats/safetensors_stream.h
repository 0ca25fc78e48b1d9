#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/formats/atomic_file.h"
#include "core/formats/safetensors.h"

namespace headroom {

/// A tensor that will be written.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;  ///< F32, F16, I32 or U8
  std::vector<std::int64_t> shape;
};

/// A *.safetensors file written tensor by tensor, values piece by piece: no tensor need be in memory as a whole. All or nothing.
class SafetensorsStream {
 public:
  /// The header is written at once. Errors  Error when two tensors have one name, a text is no UTF-8, or the file cannot be written.
  SafetensorsStream(const std::filesystem::path& path, std::vector<TensorToWrite> tensors,
                    const std::map<std::string, std::string>& metadata);

  /// The next values of the tensors, in their order; F16 rounds each to the nearest. A piece stays within its tensor.
  /// Errors  Error when the file cannot be written; ShapeError when the values are too many or of another type.
  void write(std::span<const float> values);
  void write(std::span<const std::int32_t> values);
  void write_bytes(std::string_view bytes);
  /// Errors  ShapeError when values are missing; Error.
  void finish();

 private:
  /// Bytes of the tensor that is being written. Errors  ShapeError when `n` more values of a type do not fit.
  void take(DType dtype, std::size_t n);

  AtomicFile file_;
  std::vector<TensorToWrite> tensors_;
  std::size_t at_ = 0;         ///< the tensor that is being written
  std::uint64_t written_ = 0;  ///< values of it
};

}  // namespace headroom
