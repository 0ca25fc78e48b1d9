#include "core/formats/weights_plan.h"

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <algorithm>
#include <charconv>
#include <fstream>
#include <unordered_set>

#include "core/formats/family.h"
#include "core/formats/layer_count.h"
#include "core/formats/outer_prefix.h"
#include "core/formats/safetensors_header.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxListed = 3;

bool is_same(const std::vector<std::int64_t>& expected, const std::vector<std::uint64_t>& found) {
  return std::equal(expected.begin(), expected.end(), found.begin(), found.end(),
                    [](std::int64_t a, std::uint64_t b) { return a == kAnyRows ? b > 0 : static_cast<std::uint64_t>(a) == b; });
}

/// The tensor of that name; old files call a LayerNorm's gain and bias gamma and beta.
StoredTensor find_entry(const WeightFiles& files, const std::string& name) {
  if (const StoredTensor found = files.find(name)) return found;
  for (const auto& [end, old_end] :
       {std::pair<std::string_view, std::string_view>("LayerNorm.weight", "gamma"), {"LayerNorm.bias", "beta"}}) {
    if (!name.ends_with(end)) continue;
    const std::size_t dot = name.rfind('.');
    return files.find(name.substr(0, dot + 1) + std::string(old_end));
  }
  return {};
}

std::string expected_shape(const std::vector<std::int64_t>& shape) {
  if (shape.front() != kAnyRows) return shape_text(shape);
  return "[any, " + std::to_string(shape.back()) + "]";
}

/// The family's prefix, or nothing where no tensor has it.
std::string prefix_of(const WeightFiles& files, const Family& family, const std::string& outer,
                      const std::vector<TensorSlot>& slots) {
  const bool has_prefix = std::ranges::any_of(
      slots, [&](const TensorSlot& slot) { return slot.has_prefix && find_entry(files, outer + family.prefix + slot.name); });
  const bool has_none =
      std::ranges::none_of(slots, [&](const TensorSlot& slot) { return slot.has_prefix && find_entry(files, outer + slot.name); });
  return outer + (has_prefix || has_none ? family.prefix : "");
}

/// Whether a pass reads such a matrix as float32: small tables that are added.
bool is_wide(const ModelParams& params, const Tensor* tensor) {
  const auto tables = {&params.positions, &params.encoder_positions, &params.token_types, &params.relative_bias,
                       &params.encoder_relative_bias};
  return std::ranges::find(tables, tensor) != tables.end();
}

std::uint64_t memory_of(const SlotReading& step) {
  if (step.slot.layout == SlotLayout::kNoneIfZero)
    return (step.entry->end - step.entry->begin) / static_cast<std::uint64_t>(dtype_bits(step.entry->dtype) / 8) * sizeof(float);
  if (step.slot.layout == SlotLayout::kSame) return 0;
  std::uint64_t bytes = 0;
  for (const TensorPart& part : step.slot.parts) {
    std::uint64_t n = 1;
    for (const std::int64_t dim : part.shape)
      n *= static_cast<std::uint64_t>(dim);
    bytes += n * static_cast<std::uint64_t>(float_type_bytes(step.type_of(part)));
  }
  return bytes;
}

bool is_ignored(const Family& family, std::string_view name) {
  return std::ranges::any_of(family.ignored, [&](std::string_view end) { return name.ends_with(end); });
}

bool is_of_a_layer(const Family& family, const std::string& prefix, std::string_view name) {
  return std::ranges::any_of(family.layer_prefixes,
                             [&](std::string_view layers) { return name.starts_with(prefix + std::string(layers)); });
}

/// Whether it stands for an MLP in a model that has none.
bool is_of_no_mlp(const TensorSlot& slot) {
  return slot.layout == SlotLayout::kZeros || std::ranges::find(slot.shape, 0) != slot.shape.end();
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

WeightsPlan plan_weights(const WeightFiles& files, ModelParams& params, ModelPart part) {
  WeightsPlan plan;
  plan.notices = files.notices();
  const Family& family = family_named(params.config.family);
  const std::string outer = outer_prefix(files, params.config);
  const bool is_whole = part == ModelPart::kWhole;
  if (is_whole && family.settle != nullptr)
    family.settle([&](const std::string& name) { return static_cast<bool>(find_entry(files, outer + name)); }, params.config);
  if (std::string sentence = is_whole ? settle_layers(files, params.config) : ""; !sentence.empty())
    plan.notices.push_back(std::move(sentence));
  std::vector<TensorSlot> slots = tensor_slots(params);
  if (!is_whole) std::erase_if(slots, [](const TensorSlot& slot) { return is_of_no_mlp(slot); });
  const std::string prefix = prefix_of(files, family, outer, slots);
  std::vector<std::string> missing, misshapen, unreadable, unexpected;
  std::unordered_set<std::string> used;
  for (const TensorSlot& slot : slots) {
    const std::string name = slot.has_prefix ? prefix + slot.name : outer + slot.name;
    if (slot.layout == SlotLayout::kCopy) {
      used.insert(name);
      continue;
    }
    StoredTensor found = find_entry(files, name);
    if (!found && slot.layout == SlotLayout::kSame) continue;
    for (std::size_t i = 0; i < slot.other_names.size() && !found; ++i) {
      found = find_entry(files, prefix + slot.other_names[i]);
      if (!found) found = find_entry(files, outer + slot.other_names[i]);
    }
    // The output of a model inside another may stand outside of it.
    if (!found && !slot.has_prefix) found = find_entry(files, slot.name);
    used.insert(found ? found.entry->name : name);
    if (!found) {
      missing.push_back(name);
    } else if (!is_same(slot.shape, found.entry->shape)) {
      misshapen.push_back(name + " (expected " + expected_shape(slot.shape) + ", found " + shape_text(*found.entry) + ")");
    } else if (!is_float(found.entry->dtype)) {
      unreadable.push_back(name + " (" + dtype_name(found.entry->dtype) + ")");
    } else {
      const bool has_wide = std::ranges::any_of(slot.parts, [&](const TensorPart& each) { return is_wide(params, each.tensor); });
      plan.steps.push_back({found.file, found.entry, slot, has_wide ? KeptType::kFloat32 : KeptType::kStored});
      plan.file_bytes += found.entry->end - found.entry->begin;
      plan.memory_bytes += memory_of(plan.steps.back());
    }
  }

  std::vector<std::string> unused;
  for (const auto& [file, entry] : files.tensors()) {
    if (!is_whole) break;
    if (used.contains(entry->name) || is_ignored(family, entry->name)) continue;
    const std::string shown = escape_for_display(entry->name, 120);
    if (entry->name == outer + "lm_head.weight" || entry->name == "lm_head.weight") {
      plan.notices.push_back("The file holds lm_head.weight, but config.json ties the output to the embedding, which is used.");
    } else if (is_of_a_layer(family, prefix, entry->name)) {
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
  if (!sentence.empty()) throw Error(shown_path(files.path()) + ": " + sentence);
  report(sentence, unused, "not used");
  if (!sentence.empty()) plan.notices.push_back(sentence + ".");
  return plan;
}

std::uint64_t pass_memory(const ModelConfig& config) {
  constexpr std::int64_t kTokens = 128;
  const ModelShape& shape = config.shape;
  const std::int64_t q_width = shape.n_heads * shape.d_head, kv_width = shape.n_kv_heads * shape.d_head;
  // A layer's trace: its input, q before and after rotation, k likewise, v, the heads' outputs; a cross-attention is another of them.
  const std::int64_t layer = 2 * shape.d_model + 3 * q_width + 3 * kv_width;
  const std::int64_t n_stacks = config.kind == ModelKind::kEncoderDecoder ? 2 : 1;
  const std::int64_t values =
      n_stacks * shape.n_layers * layer + config.n_encoder_layers * layer + 3 * shape.d_ff + 2 * shape.vocab_size;
  return static_cast<std::uint64_t>(kTokens * values) * sizeof(float);
}

std::uint64_t available_memory() {
  std::uint64_t bytes = read_number("/proc/meminfo", "MemAvailable:") * 1024;
  const std::uint64_t limit = read_number("/sys/fs/cgroup/memory.max", "");
  const std::uint64_t used = read_number("/sys/fs/cgroup/memory.current", "");
  if (limit > 0) bytes = std::min(bytes == 0 ? limit : bytes, limit > used ? limit - used : 1);
  return bytes;
}

void give_back_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace headroom
