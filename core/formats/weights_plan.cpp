#include "core/formats/weights_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <unordered_set>

#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::string_view kPrefix = "model.";
constexpr std::size_t kMaxListed = 3;

std::string file_shape(const TensorEntry& entry) {
  std::string text = "[";
  for (const std::uint64_t n : entry.shape)
    text += (text.size() == 1 ? "" : ", ") + std::to_string(n);
  return text + "]";
}

bool is_same(const std::vector<std::int64_t>& expected, const std::vector<std::uint64_t>& found) {
  return std::equal(expected.begin(), expected.end(), found.begin(), found.end(),
                    [](std::int64_t a, std::uint64_t b) { return static_cast<std::uint64_t>(a) == b; });
}

bool is_float(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64; }

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
  const bool has_prefix = std::any_of(file.tensors().begin(), file.tensors().end(), [](const TensorEntry& entry) {
    return entry.name.starts_with("model.layers.") || entry.name == "model.embed_tokens.weight";
  });
  const std::string prefix(has_prefix ? kPrefix : "");
  std::vector<std::string> missing, misshapen, unreadable, unexpected;
  std::unordered_set<std::string> used;
  for (TensorSlot& slot : tensor_slots(params)) {
    const std::string name = slot.name == "lm_head.weight" ? slot.name : prefix + slot.name;
    used.insert(name);
    const TensorEntry* entry = file.find(name);
    if (entry == nullptr) {
      missing.push_back(name);
    } else if (!is_same(slot.shape, entry->shape)) {
      misshapen.push_back(name + " (expected " + shape_text(slot.shape) + ", found " + file_shape(*entry) + ")");
    } else if (!is_float(entry->dtype)) {
      unreadable.push_back(name + " (" + dtype_name(entry->dtype) + ")");
    } else {
      plan.float_bytes += (entry->end - entry->begin) / static_cast<std::uint64_t>(dtype_bits(entry->dtype) / 8) * sizeof(float);
      plan.steps.push_back({entry, std::move(slot)});
    }
  }

  std::vector<std::string> unused;
  for (const TensorEntry& entry : file.tensors()) {
    if (used.contains(entry.name) || entry.name.ends_with("rotary_emb.inv_freq")) continue;
    const std::string shown = escape_for_display(entry.name, 120);
    if (entry.name == "lm_head.weight") {
      plan.notices.push_back("The file holds lm_head.weight, but config.json ties the output to the embedding, which is used.");
    } else if (entry.name.starts_with(prefix + "layers.")) {
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
