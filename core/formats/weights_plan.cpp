#include "core/formats/weights_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <unordered_set>

#include "core/formats/family.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxListed = 3;

std::string file_shape(const TensorEntry& entry) {
  std::string text = "[";
  for (const std::uint64_t n : entry.shape)
    text += (text.size() == 1 ? "" : ", ") + std::to_string(n);
  return text + "]";
}

bool is_same(const std::vector<std::int64_t>& expected, const std::vector<std::uint64_t>& found) {
  return std::equal(expected.begin(), expected.end(), found.begin(), found.end(),
                    [](std::int64_t a, std::uint64_t b) { return a == kAnyRows ? b > 0 : static_cast<std::uint64_t>(a) == b; });
}

/// The tensor of that name; old files call a LayerNorm's gain and bias gamma and beta.
const TensorEntry* find_entry(const SafetensorsFile& file, const std::string& name) {
  if (const TensorEntry* entry = file.find(name)) return entry;
  for (const auto& [end, old_end] :
       {std::pair<std::string_view, std::string_view>("LayerNorm.weight", "gamma"), {"LayerNorm.bias", "beta"}}) {
    if (!name.ends_with(end)) continue;
    const std::size_t dot = name.rfind('.');
    return file.find(name.substr(0, dot + 1) + std::string(old_end));
  }
  return nullptr;
}

bool is_float(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64; }

std::string expected_shape(const std::vector<std::int64_t>& shape) {
  if (shape.front() != kAnyRows) return shape_text(shape);
  return "[any, " + std::to_string(shape.back()) + "]";
}

/// The family's prefix, or nothing where no tensor has it.
std::string prefix_of(const SafetensorsFile& file, const Family& family, const std::vector<TensorSlot>& slots) {
  const bool has_prefix = std::ranges::any_of(
      slots, [&](const TensorSlot& slot) { return slot.has_prefix && find_entry(file, family.prefix + slot.name) != nullptr; });
  const bool has_none = std::ranges::none_of(
      slots, [&](const TensorSlot& slot) { return slot.has_prefix && find_entry(file, slot.name) != nullptr; });
  return has_prefix || has_none ? family.prefix : "";
}

bool is_ignored(const Family& family, std::string_view name) {
  return std::ranges::any_of(family.ignored, [&](std::string_view end) { return name.ends_with(end); });
}

bool is_of_a_layer(const Family& family, const std::string& prefix, std::string_view name) {
  return std::ranges::any_of(family.layer_prefixes,
                             [&](std::string_view layers) { return name.starts_with(prefix + std::string(layers)); });
}

/// "2 tensors are missing: a, b"; nothing when there are none.
void report(std::string& sentence, const std::vector<std::string>& items, const char* what) {
  if (items.empty()) return;
  sentence +=
      (sentence.empty() ? "" : "; ") + counted(items.size(), "tensor") + " " + (items.size() == 1 ? "is " : "are ") + what + ": ";
  for (std::size_t i = 0; i < std::min(items.size(), kMaxListed); ++i)
    sentence += (i == 0 ? "" : ", ") + items[i];
  if (items.size() > kMaxListed) sentence += " and " + with_thousands(items.size() - kMaxListed) + " more";
}

std::uint64_t read_number(const char* path, std::string_view after) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(after)) continue;
    const std::size_t digit = line.find_first_of("0123456789", after.size());
    std::uint64_t value = 0;
    if (digit != std::string::npos && std::from_chars(line.data() + digit, line.data() + line.size(), value).ec == std::errc{})
      return value;
  }
  return 0;
}

}  // namespace

WeightsPlan plan_weights(const SafetensorsFile& file, ModelParams& params) {
  WeightsPlan plan;
  const Family& family = family_named(params.config.family);
  const std::vector<TensorSlot> slots = tensor_slots(params);
  const std::string prefix = prefix_of(file, family, slots);
  std::vector<std::string> missing, misshapen, unreadable, unexpected;
  std::unordered_set<std::string> used;
  for (const TensorSlot& slot : slots) {
    const std::string name = slot.has_prefix ? prefix + slot.name : slot.name;
    const TensorEntry* entry = find_entry(file, name);
    used.insert(entry == nullptr ? name : entry->name);
    if (entry == nullptr) {
      missing.push_back(name);
    } else if (!is_same(slot.shape, entry->shape)) {
      misshapen.push_back(name + " (expected " + expected_shape(slot.shape) + ", found " + file_shape(*entry) + ")");
    } else if (!is_float(entry->dtype)) {
      unreadable.push_back(name + " (" + dtype_name(entry->dtype) + ")");
    } else {
      plan.float_bytes += (entry->end - entry->begin) / static_cast<std::uint64_t>(dtype_bits(entry->dtype) / 8) * sizeof(float);
      plan.steps.push_back({entry, slot});
    }
  }

  std::vector<std::string> unused;
  for (const TensorEntry& entry : file.tensors()) {
    if (used.contains(entry.name) || is_ignored(family, entry.name)) continue;
    const std::string shown = escape_for_display(entry.name, 120);
    if (entry.name == "lm_head.weight") {
      plan.notices.push_back("The file holds lm_head.weight, but config.json ties the output to the embedding, which is used.");
    } else if (is_of_a_layer(family, prefix, entry.name)) {
      unexpected.push_back(shown);  // it would change what a layer computes
    } else {
      unused.push_back(shown);
    }
  }
  std::string sentence;
  report(sentence, missing, "missing");
  report(sentence, misshapen, "of another shape than config.json implies");
  report(sentence, unreadable, "of a dtype that is not read (F32, F16, BF16, F64 are)");
  report(sentence, unexpected, "not expected by config.json");
  if (!sentence.empty()) throw Error(shown_path(file.path()) + ": " + sentence);
  report(sentence, unused, "not used");
  if (!sentence.empty()) plan.notices.push_back(sentence + ".");
  return plan;
}

std::filesystem::path find_weights(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::path weights = folder / "model.safetensors";
  if (std::filesystem::exists(std::filesystem::symlink_status(weights, error))) return weights;
  const std::string at = shown_path(folder) + ": ";
  if (!std::filesystem::is_directory(folder, error)) throw Error(at + "is not a folder, or not there");
  if (std::filesystem::exists(folder / "model.safetensors.index.json", error))
    throw Error(at + "the model is cut into shards (model.safetensors.index.json), which are not supported: save it as one file");
  for (const char* name : {"pytorch_model.bin", "model.gguf", "consolidated.00.pth"})
    if (std::filesystem::exists(folder / name, error))
      throw Error(at + "there is " + name + " but no model.safetensors: save the model as safetensors");
  throw Error(at + "there is no model.safetensors");
}

std::uint64_t count_non_finite(const Tensor& tensor) {
  std::uint64_t n = 0;
  for (const float value : tensor.span())
    n += std::abs(value) <= std::numeric_limits<float>::max() ? 0 : 1;
  return n;
}

std::uint64_t available_memory() {
  std::uint64_t bytes = read_number("/proc/meminfo", "MemAvailable:") * 1024;
  const std::uint64_t limit = read_number("/sys/fs/cgroup/memory.max", "");
  const std::uint64_t used = read_number("/sys/fs/cgroup/memory.current", "");
  if (limit > 0) bytes = std::min(bytes == 0 ? limit : bytes, limit > used ? limit - used : 1);
  return bytes;
}

}  // namespace headroom
