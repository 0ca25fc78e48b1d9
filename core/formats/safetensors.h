#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/formats/file.h"
#include "core/tensor/tensor.h"

namespace headroom {

enum class DType {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64
};
const char* dtype_name(DType dtype);  ///< as in the file: "F32"
int dtype_bits(DType dtype);
/// F32, F16, BF16 and F64: what parameters are read from.
bool is_float(DType dtype);
/// How a tensor of such values is kept: 16 bits as they are, F64 as float32.
FloatType stored_type(DType dtype);
/// Values as they lie in a file (little-endian) as float32; a double is rounded, beyond float's range to infinity.
/// Shapes  bytes hold to.size() values of `dtype`, which is_float.
void to_floats(DType dtype, std::span<const std::byte> bytes, std::span<float> to);

struct TensorEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  ///< bytes after the header
  std::uint64_t end = 0;
};

struct SafetensorsLimits {
  std::uint64_t max_header_bytes = 16u << 20;
  std::uint64_t max_tensors = 1000000;
  std::size_t max_rank = 16;
  std::size_t max_name_bytes = 1024;
};

/// An opened *.safetensors file: the header is checked completely (offsets tile the buffer, sizes match shapes), values are read by need.
/// Errors  Error with file, tensor and what would be right. Nothing is allocated before the header's sizes are checked.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path, const SafetensorsLimits& limits = {});

  const std::vector<TensorEntry>& tensors() const { return tensors_; }  ///< in file order
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const TensorEntry* find(std::string_view name) const;
  const std::filesystem::path& path() const { return file_.path(); }
  std::uint64_t file_size() const { return file_.size(); }

  /// F32, F16, BF16 and F64 values as float32. Edge  A scalar comes as [1], a tensor without elements as [0].
  /// Errors  Error for other types.
  Tensor read_float(const TensorEntry& entry) const;
  /// F32, F16 and BF16 values in the type they are stored in, F64 as float32. Edge, Errors  as read_float.
  Tensor read_stored(const TensorEntry& entry) const;
  /// Bytes of the tensor from its byte `first` on, as they lie in the file: for readers that put them to their place piece by piece.
  /// Errors  Error when the tensor has fewer bytes, or the file was cut short meanwhile.
  void read_bytes(const TensorEntry& entry, std::uint64_t first, std::span<std::byte> to) const;
  /// Errors  Error when the file's size or time of change is not what it was at opening.
  void check_unchanged() const { file_.check_unchanged(); }
  /// I32, I64, U8 values. Errors  Error for other types or values outside int64.
  std::vector<std::int64_t> read_integers(const TensorEntry& entry) const;

 private:
  InputFile file_;
  std::uint64_t data_begin_ = 0;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, std::size_t> by_name_;
  std::map<std::string, std::string> metadata_;
};

/// Collects tensors and writes them as one file, whole or not at all (header begins with '{' and is padded to 8 bytes).
class SafetensorsWriter {
 public:
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const float> values);
  void add(std::string name, std::vector<std::int64_t> shape, std::span<const std::int32_t> values);
  /// As F16, each value rounded to the nearest.
  void add_float16(std::string name, std::vector<std::int64_t> shape, std::span<const float> values);
  void set_metadata(std::string key, std::string value);
  /// The whole file. Errors  Error when two tensors have one name.
  std::string bytes() const;
  void write(const std::filesystem::path& path) const;

 private:
  struct Item {
    std::string name;
    DType dtype;
    std::vector<std::int64_t> shape;
    std::string bytes;
  };
  std::vector<Item> items_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace headroom
