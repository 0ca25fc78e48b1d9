#include "core/formats/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "core/formats/ascii_case.h"
#include "core/formats/file.h"
#include "core/formats/json_problem.h"
#include "core/formats/json_value.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

struct DTypeInfo {
  DType dtype;
  const char* name;
  int bits;
};
constexpr DTypeInfo kDTypes[] = {
    {DType::kBool, "BOOL", 8},
    {DType::kF4, "F4", 4},
    {DType::kF6E2M3, "F6_E2M3", 6},
    {DType::kF6E3M2, "F6_E3M2", 6},
    {DType::kU8, "U8", 8},
    {DType::kI8, "I8", 8},
    {DType::kF8E5M2, "F8_E5M2", 8},
    {DType::kF8E4M3, "F8_E4M3", 8},
    {DType::kF8E8M0, "F8_E8M0", 8},
    {DType::kF8E4M3Fnuz, "F8_E4M3FNUZ", 8},
    {DType::kF8E5M2Fnuz, "F8_E5M2FNUZ", 8},
    {DType::kI16, "I16", 16},
    {DType::kU16, "U16", 16},
    {DType::kF16, "F16", 16},
    {DType::kBF16, "BF16", 16},
    {DType::kI32, "I32", 32},
    {DType::kU32, "U32", 32},
    {DType::kF32, "F32", 32},
    {DType::kC64, "C64", 64},
    {DType::kF64, "F64", 64},
    {DType::kI64, "I64", 64},
    {DType::kU64, "U64", 64},
};

const DTypeInfo& info(DType dtype) {
  return *std::find_if(std::begin(kDTypes), std::end(kDTypes), [&](const DTypeInfo& d) { return d.dtype == dtype; });
}

/// Follows the parser's events. Where it stands decides what may come; whatever may not come stops it with `problem` set.
class Reader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Reader(const SafetensorsLimits& limits) : limits_(limits) {}

  bool null() override {
    if (place_ == Place::kMember && is_metadata_) return done_with_member();  // as the reference: no metadata
    return scalar("null");
  }
  bool boolean(bool v) override { return scalar(v ? "true" : "false"); }
  bool number_integer(number_integer_t v) override { return scalar(v == 0 ? "-0" : std::to_string(v)); }
  bool number_float(number_float_t, const string_t& text) override { return scalar(text); }
  bool number_unsigned(number_unsigned_t v) override {
    if (place_ == Place::kShapeItems) {
      if (entry_.shape.size() >= limits_.max_rank) return fail("has more than " + std::to_string(limits_.max_rank) + " dimensions");
      entry_.shape.push_back(v);
      return true;
    }
    if (place_ == Place::kOffsetItems) {
      if (n_offsets_ >= 2) return fail("has more than two data_offsets");
      (n_offsets_++ == 0 ? entry_.begin : entry_.end) = v;
      return true;
    }
    return scalar(std::to_string(v));
  }
  bool string(string_t& v) override {
    if (place_ == Place::kMetadataValue) {
      header.metadata[key_] = std::move(v);
      place_ = Place::kMetadata;
      return true;
    }
    if (place_ == Place::kField && key_ == "dtype") {
      const auto found = std::find_if(std::begin(kDTypes), std::end(kDTypes), [&](const DTypeInfo& d) { return v == d.name; });
      if (found == std::end(kDTypes)) return fail("has the unknown dtype " + in_quotes(v) + " (a newer file?)");
      entry_.dtype = found->dtype;
      place_ = Place::kTensor;
      return true;
    }
    return scalar(in_quotes(v));
  }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override {
    if (++depth_ > kMaxJsonDepth) return fail("is nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    if (place_ == Place::kStart) return go(Place::kRoot);
    if (place_ == Place::kMember) return is_metadata_ ? go(Place::kMetadata) : begin_tensor();
    if (is_ignored()) return ignore_deeper();
    return wrong("an object");
  }
  bool start_array(std::size_t) override {
    if (++depth_ > kMaxJsonDepth) return fail("is nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    if (place_ == Place::kField && key_ == "shape") return go(Place::kShapeItems);
    if (place_ == Place::kField && key_ == "data_offsets") return go(Place::kOffsetItems);
    if (is_ignored()) return ignore_deeper();
    return wrong("a list");
  }
  bool end_object() override {
    --depth_;
    if (ignored_depth_ > 0) return leave_ignored();
    if (place_ == Place::kMetadata) return done_with_member();
    if (place_ == Place::kTensor) return end_tensor();
    return true;  // the root
  }
  bool end_array() override {
    --depth_;
    if (ignored_depth_ > 0) return leave_ignored();
    if (place_ == Place::kOffsetItems && n_offsets_ != 2)
      return fail("has " + std::to_string(n_offsets_) + " data_offsets, where two are needed");
    return go(Place::kTensor);
  }
  bool key(string_t& v) override {
    if (ignored_depth_ > 0) return true;
    key_ = std::move(v);
    if (place_ == Place::kRoot) return begin_member();
    if (place_ == Place::kMetadata) return go(Place::kMetadataValue);
    place_ = Place::kField;
    bool* seen = key_ == "dtype" ? &has_dtype_ : key_ == "shape" ? &has_shape_ : key_ == "data_offsets" ? &has_offsets_ : nullptr;
    if (seen == nullptr) return true;
    if (*seen) return fail("has " + key_ + " twice");
    *seen = true;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& exception) override {
    if (problem.empty()) problem = "the header " + json_problem(position, exception.what());
    return false;
  }

  SafetensorsHeader header;
  std::string problem;

 private:
  enum class Place { kStart, kRoot, kMember, kMetadata, kMetadataValue, kTensor, kField, kShapeItems, kOffsetItems };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool fail(const std::string& what) {
    problem = subject() + " " + what;
    return false;
  }
  std::string subject() const {
    if (place_ == Place::kStart || place_ == Place::kRoot) return "the header";
    return is_metadata_ ? "__metadata__" : "tensor " + in_quotes(entry_.name);
  }
  bool is_ignored() const {
    return ignored_depth_ > 0 || (place_ == Place::kField && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets");
  }
  bool ignore_deeper() {
    ++ignored_depth_;
    return true;
  }
  bool leave_ignored() { return --ignored_depth_ > 0 || go(Place::kTensor); }

  /// A value that no rule above has taken.
  bool scalar(const std::string& found) {
    if (ignored_depth_ > 0) return true;
    if (is_ignored()) return go(Place::kTensor);
    return wrong(found);
  }
  bool wrong(const std::string& found) {
    switch (place_) {
      case Place::kStart:
        return fail("must be a JSON object, but it is " + found);
      case Place::kMember:
        return fail("must be an object, but it is " + found);
      case Place::kMetadataValue:
        return fail("may hold only texts, but " + in_quotes(key_) + " is " + found);
      case Place::kShapeItems:
        return fail("has " + found + " in its shape, where an integer from 0 to 2^64 - 1 is needed");
      case Place::kOffsetItems:
        return fail("has " + found + " in its data_offsets, where an integer from 0 to 2^64 - 1 is needed");
      default:
        return fail("has " + found + " as its " + key_ +
                    (key_ == "dtype" ? ", where a text is needed" : ", where a list is needed"));
    }
  }

  bool begin_member() {
    place_ = Place::kMember;
    is_metadata_ = key_ == "__metadata__";
    if (is_metadata_) {
      if (has_metadata_) return fail("is there twice");
      return has_metadata_ = true;
    }
    entry_ = {};
    entry_.name = key_;
    if (key_.size() > limits_.max_name_bytes)
      return fail("has a name of " + counted(key_.size(), "byte") + ", more than the limit of " +
                  with_thousands(limits_.max_name_bytes));
    if (!names_.insert(key_).second) return fail("is there twice");
    if (header.tensors.size() >= limits_.max_tensors) {
      problem = "the header lists more than " + counted(limits_.max_tensors, "tensor");
      return false;
    }
    return true;
  }
  bool begin_tensor() {
    has_dtype_ = has_shape_ = has_offsets_ = false;
    n_offsets_ = 0;
    return go(Place::kTensor);
  }
  bool end_tensor() {
    if (!has_dtype_) return fail("has no dtype");
    if (!has_shape_) return fail("has no shape");
    if (!has_offsets_) return fail("has no data_offsets");
    header.tensors.push_back(std::move(entry_));
    return go(Place::kRoot);
  }
  bool done_with_member() { return go(Place::kRoot); }

  SafetensorsLimits limits_;
  Place place_ = Place::kStart;
  std::string key_;
  TensorEntry entry_;
  bool is_metadata_ = false, has_metadata_ = false;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  int n_offsets_ = 0;
  std::size_t depth_ = 0, ignored_depth_ = 0;
  std::unordered_set<std::string> names_;
};

/// Bits of all elements, or nothing when the product leaves 64 bits at any step.
std::optional<std::uint64_t> bits_of(const TensorEntry& entry) {
  std::uint64_t bits = 1;
  for (const std::uint64_t n : entry.shape)
    if (__builtin_mul_overflow(bits, n, &bits)) return std::nullopt;
  if (__builtin_mul_overflow(bits, static_cast<std::uint64_t>(dtype_bits(entry.dtype)), &bits)) return std::nullopt;
  return bits;
}

std::string bytes_range(const TensorEntry& entry) { return std::to_string(entry.begin) + " to " + std::to_string(entry.end); }

/// "" when the tensors, in the order of their bytes, fill [0, data_bytes) without hole or overlap and each has the size of its shape.
std::string find_layout_problem(const std::vector<TensorEntry>& tensors, std::uint64_t data_bytes) {
  std::uint64_t at = 0;
  const TensorEntry* before = nullptr;
  for (const TensorEntry& entry : tensors) {
    const std::string name = "tensor " + in_quotes(entry.name);
    if (entry.end < entry.begin) return name + " ends before it begins (bytes " + bytes_range(entry) + ")";
    if (entry.begin != at) {
      const std::string end_before = before == nullptr ? "the data" : "tensor " + in_quotes(before->name);
      const std::string where = before == nullptr ? " begins at byte 0" : " ends at byte " + std::to_string(at);
      return name + " begins at byte " + std::to_string(entry.begin) + ", but " + end_before + where +
             (entry.begin < at ? " (they overlap)" : " (a hole lies between)");
    }
    const auto bits = bits_of(entry);
    if (!bits) return name + " has a shape whose size does not fit 64 bits";
    if (*bits % 8 != 0) return name + " does not end on a whole byte";
    if (*bits / 8 != entry.end - entry.begin)
      return name + " has " + counted(entry.end - entry.begin, "byte") + " (" + bytes_range(entry) +
             "), but its shape and dtype need " + with_thousands(*bits / 8);
    at = entry.end;
    before = &entry;
  }
  if (at > data_bytes) return "the file is truncated by " + counted(at - data_bytes, "byte");
  if (at < data_bytes) return "the file has " + counted(data_bytes - at, "unexpected byte") + " after the last tensor";
  return "";
}

}  // namespace

const char* dtype_name(DType dtype) { return info(dtype).name; }
int dtype_bits(DType dtype) { return info(dtype).bits; }

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, const SafetensorsLimits& limits,
                                           const std::string& where) {
  if (json.empty()) throw Error(where + ": the header is empty");
  if (const std::string problem = find_json_text_problem(json); !problem.empty()) throw Error(where + ": the header " + problem);
  Reader reader(limits);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader))
    throw Error(where + ": " + (reader.problem.empty() ? "the header is not valid JSON" : reader.problem));
  std::vector<TensorEntry>& tensors = reader.header.tensors;
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  if (const std::string problem = find_layout_problem(tensors, data_bytes); !problem.empty()) throw Error(where + ": " + problem);
  return std::move(reader.header);
}

std::string shape_text(const TensorEntry& entry) {
  std::string text = "[";
  for (const std::uint64_t n : entry.shape)
    text += (text.size() == 1 ? "" : ", ") + std::to_string(n);
  return text + "]";
}

std::string foreign_format(std::string_view first) {
  const std::string lower = lower_ascii(first.substr(0, 16));
  if (first.starts_with("version https://git-lfs"))
    return "is a Git LFS pointer, not the file itself: run \"git lfs pull\" in its folder";
  if (lower.starts_with("<!doctype") || lower.starts_with("<html")) return "is an HTML page: the download went wrong";
  if (first.starts_with("PK\x03\x04"))
    return "is a zip archive (a PyTorch checkpoint?), not safetensors: save the model as safetensors";
  if (first.starts_with("GGUF")) return "is a GGUF file, not safetensors: open the original Hugging Face folder";
  if (first.starts_with("\x1f\x8b")) return "is a gzip archive, not safetensors: unpack it first";
  if (first.starts_with("\x80\x02") || first.starts_with("\x80\x04"))
    return "is a Python pickle, which is never opened: save the model as safetensors";
  return "";
}

}  // namespace headroom
