#pragma once

#include <bit>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/tensor/dtype.h"
#include "tests/formats/testing.h"

namespace headroom::testing_files {

/// One tensor as it lies in a file.
struct RawTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;
  std::string bytes;
};

/// The pieces as one text.
inline std::string joined(std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces)
    text += piece;
  return text;
}

/// A file of these tensors, in their order; names need no escapes.
inline std::string file_of(const std::vector<RawTensor>& tensors) {
  std::string header, data;
  for (const RawTensor& tensor : tensors) {
    std::string shape;
    for (const std::uint64_t n : tensor.shape)
      shape += joined({shape.empty() ? "" : ",", std::to_string(n)});
    const std::string begin = std::to_string(data.size()), end = std::to_string(data.size() + tensor.bytes.size());
    header += joined({header.empty() ? "{\"" : ",\"", tensor.name, "\":{\"dtype\":\"", dtype_name(tensor.dtype), "\",\"shape\":[",
                      shape, "],\"data_offsets\":[", begin, ",", end, "]}"});
    data += tensor.bytes;
  }
  return safetensors_bytes(joined({header.empty() ? "{" : header, "}"}), data);
}

/// The values, each rounded to the nearest of `dtype` (F32, F16, BF16 or F64).
inline RawTensor raw_tensor(std::string name, const Tensor& values, DType dtype) {
  RawTensor raw{std::move(name), dtype, {values.shape().begin(), values.shape().end()}, {}};
  for (const float value : values.span()) {
    if (dtype == DType::kF16) raw.bytes += little_endian(to_float16(value), 2);
    if (dtype == DType::kBF16) raw.bytes += little_endian(to_bfloat16(value), 2);
    if (dtype == DType::kF32) raw.bytes += little_endian(std::bit_cast<std::uint32_t>(value), 4);
    if (dtype == DType::kF64) raw.bytes += little_endian(std::bit_cast<std::uint64_t>(static_cast<double>(value)), 8);
  }
  return raw;
}

/// All tensors of the file, in another type.
inline std::vector<RawTensor> tensors_as(const std::filesystem::path& path, DType dtype) {
  const SafetensorsFile file(path);
  std::vector<RawTensor> tensors;
  for (const TensorEntry& entry : file.tensors())
    tensors.push_back(raw_tensor(entry.name, file.read_float(entry), dtype));
  return tensors;
}

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

/// folder/model.safetensors, its tensors in another type.
inline void rewrite_as(const std::filesystem::path& folder, DType dtype) {
  write_bytes(folder / "model.safetensors", file_of(tensors_as(folder / "model.safetensors", dtype)));
}

/// "model-00002-of-00003.safetensors"
inline std::string shard_name(int i, int n) {
  return joined({"model-0000", std::to_string(i), "-of-0000", std::to_string(n), ".safetensors"});
}

/// folder/model.safetensors dealt out to n shards, tensor by tensor, with their index.
inline void cut_into_shards(const std::filesystem::path& folder, int n) {
  const std::vector<RawTensor> tensors = tensors_as(folder / "model.safetensors", DType::kF32);
  std::vector<std::vector<RawTensor>> shards(static_cast<std::size_t>(n));
  std::string map;
  std::size_t total = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const int shard = static_cast<int>(i) % n;
    map += joined({map.empty() ? "\"" : ",\"", tensors[i].name, "\":\"", shard_name(shard + 1, n), "\""});
    shards[static_cast<std::size_t>(shard)].push_back(tensors[i]);
    total += tensors[i].bytes.size();
  }
  for (int i = 0; i < n; ++i)
    write_bytes(folder / shard_name(i + 1, n), file_of(shards[static_cast<std::size_t>(i)]));
  write_bytes(folder / "model.safetensors.index.json",
              joined({"{\"metadata\":{\"total_size\":", std::to_string(total), "},\"weight_map\":{", map, "}}"}));
  std::filesystem::remove(folder / "model.safetensors");
}

}  // namespace headroom::testing_files
