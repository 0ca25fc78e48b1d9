#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>

#include "core/formats/safetensors.h"
#include "core/formats/utf8.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Row-major values as little-endian bytes of their own width. Errors  ShapeError when the shape does not hold that many.
template <typename T>
std::string to_bytes(const std::string& name, const std::vector<std::int64_t>& shape, std::span<const T> values) {
  std::uint64_t expected = 1;
  for (const std::int64_t n : shape)
    if (n < 0 || __builtin_mul_overflow(expected, static_cast<std::uint64_t>(n), &expected))
      throw ShapeError("tensor " + in_quotes(name) + " has the impossible shape " + shape_text(shape));
  if (expected != values.size())
    throw ShapeError("tensor " + in_quotes(name) + " has shape " + shape_text(shape) + ", but " + counted(values.size(), "value"));
  std::string bytes;
  bytes.reserve(values.size() * sizeof(T));
  using Bits = std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint32_t>;
  for (const T value : values) {
    const auto bits = std::bit_cast<Bits>(value);
    for (unsigned shift = 0; shift < 8 * sizeof(T); shift += 8)
      bytes.push_back(static_cast<char>(static_cast<unsigned char>(bits >> shift)));
  }
  return bytes;
}

void check_text(const std::string& text, const char* what) {
  if (find_invalid_utf8(text)) throw Error(std::string(what) + " " + in_quotes(text) + " is not valid UTF-8");
}

std::string json_text(const std::string& text) { return nlohmann::json(text).dump(); }

/// "[a,b]"
template <typename T>
std::string json_list(const std::vector<T>& items) {
  std::string text = "[";
  for (const T item : items) {
    if (text.size() > 1) text += ',';
    text += std::to_string(item);
  }
  return text + "]";
}

}  // namespace

void SafetensorsWriter::add(std::string name, std::vector<std::int64_t> shape, std::span<const float> values) {
  check_text(name, "the tensor name");
  std::string bytes = to_bytes(name, shape, values);
  items_.push_back({std::move(name), DType::kF32, std::move(shape), std::move(bytes)});
}

void SafetensorsWriter::add(std::string name, std::vector<std::int64_t> shape, std::span<const std::int32_t> values) {
  check_text(name, "the tensor name");
  std::string bytes = to_bytes(name, shape, values);
  items_.push_back({std::move(name), DType::kI32, std::move(shape), std::move(bytes)});
}

void SafetensorsWriter::add_float16(std::string name, std::vector<std::int64_t> shape, std::span<const float> values) {
  check_text(name, "the tensor name");
  std::vector<std::uint16_t> halves(values.size());
  to_float16(values, halves);
  std::string bytes = to_bytes<std::uint16_t>(name, shape, halves);
  items_.push_back({std::move(name), DType::kF16, std::move(shape), std::move(bytes)});
}

void SafetensorsWriter::set_metadata(std::string key, std::string value) {
  check_text(key, "the metadata key");
  check_text(value, "the metadata value");
  metadata_[std::move(key)] = std::move(value);
}

std::string SafetensorsWriter::bytes() const {
  // By name, so that the same tensors make the same bytes whatever order they were added in.
  std::vector<const Item*> order;
  std::set<std::string_view> names;
  for (const Item& item : items_) {
    if (item.name == "__metadata__" || !names.insert(item.name).second)
      throw Error("tensor " + in_quotes(item.name) + " cannot be written twice or under this name");
    order.push_back(&item);
  }
  std::sort(order.begin(), order.end(), [](const Item* a, const Item* b) { return a->name < b->name; });

  std::string header = "{";
  const auto begin_member = [&](const std::string& name) {
    if (header.back() != '{') header += ',';
    header += json_text(name);
    header += ':';
  };
  if (!metadata_.empty()) {
    begin_member("__metadata__");
    header += '{';
    for (const auto& [key, value] : metadata_) {
      begin_member(key);
      header += json_text(value);
    }
    header += '}';
  }
  std::uint64_t at = 0;
  for (const Item* item : order) {
    const std::uint64_t end = at + item->bytes.size();
    begin_member(item->name);
    header += "{\"dtype\":";
    header += json_text(dtype_name(item->dtype));
    header += ",\"shape\":";
    header += json_list(item->shape);
    header += ",\"data_offsets\":";
    header += json_list(std::vector<std::uint64_t>{at, end});
    header += '}';
    at = end;
  }
  header += '}';
  header.append((8 - header.size() % 8) % 8, ' ');

  std::string bytes;
  bytes.reserve(8 + header.size() + static_cast<std::size_t>(at));
  for (int shift = 0; shift < 64; shift += 8)
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(static_cast<std::uint64_t>(header.size()) >> shift)));
  bytes += header;
  for (const Item* item : order)
    bytes += item->bytes;
  return bytes;
}

void SafetensorsWriter::write(const std::filesystem::path& path) const {
  std::string whole;
  try {
    whole = bytes();
  } catch (const Error& error) {
    throw Error(shown_path(path) + ": " + error.what());
  }
  write_file_atomically(path, whole);
}

}  // namespace headroom
