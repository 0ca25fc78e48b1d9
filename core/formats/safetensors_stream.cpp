#include "core/formats/safetensors_stream.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <set>

#include "core/formats/utf8.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::uint64_t count_of(const TensorToWrite& tensor) {
  std::uint64_t n = 1;
  for (const std::int64_t dim : tensor.shape)
    if (dim < 0 || __builtin_mul_overflow(n, static_cast<std::uint64_t>(dim), &n))
      throw ShapeError("tensor " + in_quotes(tensor.name) + " has the impossible shape " + shape_text(tensor.shape));
  return n;
}

void append_number(std::string& bytes, std::uint64_t value, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(value >> (8 * i))));
}

std::string header_of(const std::vector<TensorToWrite>& tensors, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names;
  std::uint64_t at = 0;
  for (const TensorToWrite& tensor : tensors) {
    if (tensor.name == "__metadata__" || !names.insert(tensor.name).second)
      throw Error("tensor " + in_quotes(tensor.name) + " cannot be written twice or under this name");
    const std::uint64_t end = at + count_of(tensor) * static_cast<std::uint64_t>(dtype_bits(tensor.dtype)) / 8;
    header[tensor.name] = {{"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  try {
    return header.dump();
  } catch (const nlohmann::ordered_json::exception&) {
    throw Error("a tensor's name or a text of the metadata is not valid UTF-8");
  }
}

}  // namespace

SafetensorsStream::SafetensorsStream(const std::filesystem::path& path, std::vector<TensorToWrite> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : file_(path), tensors_(std::move(tensors)) {
  std::string header = header_of(tensors_, metadata);
  header.append((8 - header.size() % 8) % 8, ' ');
  std::string bytes;
  append_number(bytes, header.size(), 8);
  bytes += header;
  file_.write(bytes);
}

void SafetensorsStream::take(DType dtype, std::size_t n) {
  while (at_ < tensors_.size() && written_ == count_of(tensors_[at_])) {  // tensors without values too
    ++at_;
    written_ = 0;
  }
  if (n == 0) return;
  if (at_ == tensors_.size()) throw ShapeError("more values than the tensors have");
  const TensorToWrite& tensor = tensors_[at_];
  const bool is_of_type = tensor.dtype == dtype || (dtype == DType::kF32 && tensor.dtype == DType::kF16);
  if (!is_of_type || n > count_of(tensor) - written_)
    throw ShapeError("tensor " + in_quotes(tensor.name) + " of shape " + shape_text(tensor.shape) + " cannot take " +
                     std::to_string(n) + " values more of " + dtype_name(dtype));
  written_ += n;
}

void SafetensorsStream::write(std::span<const float> values) {
  take(DType::kF32, values.size());
  std::string bytes;
  bytes.reserve(values.size() * sizeof(float));
  const bool is_half = !values.empty() && tensors_[at_].dtype == DType::kF16;
  for (const float value : values) {
    if (is_half) {
      append_number(bytes, to_float16(value), 2);
    } else {
      append_number(bytes, std::bit_cast<std::uint32_t>(value), 4);
    }
  }
  file_.write(bytes);
}

void SafetensorsStream::write(std::span<const std::int32_t> values) {
  take(DType::kI32, values.size());
  std::string bytes;
  for (const std::int32_t value : values)
    append_number(bytes, static_cast<std::uint32_t>(value), 4);
  file_.write(bytes);
}

void SafetensorsStream::write_bytes(std::string_view bytes) {
  take(DType::kU8, bytes.size());
  file_.write(bytes);
}

void SafetensorsStream::finish() {
  take(DType::kF32, 0);
  if (at_ != tensors_.size()) throw ShapeError("tensor " + in_quotes(tensors_[at_].name) + " was not written to its end");
  file_.commit();
}

}  // namespace headroom
