#include "core/formats/inspect.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "core/formats/json_value.h"
#include "core/formats/model_folder.h"
#include "core/formats/safetensors_header.h"
#include "core/formats/utf8.h"
#include "core/formats/weights_plan.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using Kind = Inspection::Kind;

constexpr std::uint64_t kMaxJsonBytes = 256u << 20;
/// Above this the values are not read just to look for NaN.
constexpr std::uint64_t kMaxScannedBytes = std::uint64_t{4} << 30;

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

void list_tensor(const TensorEntry& entry, Inspection& result) {
  std::string shape = "[";
  for (const std::uint64_t n : entry.shape)
    shape += (shape.size() == 1 ? "" : ", ") + std::to_string(n);
  result.tensors.push_back({escape_for_display(entry.name), dtype_name(entry.dtype), shape + "]", entry.end - entry.begin});
}

void add_config_facts(const ModelConfig& config, Inspection& result) {
  const ModelShape& shape = config.shape;
  const auto add = [&](const char* label, std::int64_t value) { result.facts.emplace_back(label, std::to_string(value)); };
  result.facts.emplace_back("family", config.family);
  add("layers", shape.n_layers);
  add("heads", shape.n_heads);
  add("kv_heads", shape.n_kv_heads);
  add("d_model", shape.d_model);
  add("d_k", shape.d_head);
  add("d_ff", shape.d_ff);
  ModelParams params;
  params.config = config;
  std::int64_t n_parameters = 0;
  for (const TensorSlot& slot : tensor_slots(params)) {
    std::int64_t n = 1;
    for (const std::int64_t dim : slot.shape)
      n *= dim;  // each dimension is bounded by the configuration's reader
    n_parameters += n;
  }
  add("parameters", n_parameters);
  add("vocabulary", shape.vocab_size);
  add("context", shape.max_positions);
}

void inspect_safetensors(const fs::path& path, Inspection& result) {
  result.kind = Kind::kSafetensors;
  const SafetensorsFile file(path);
  for (const TensorEntry& entry : file.tensors())
    list_tensor(entry, result);
  result.facts.emplace_back("tensors", std::to_string(file.tensors().size()));
  result.facts.emplace_back("bytes", std::to_string(file.file_size()));
  for (const auto& [key, value] : file.metadata())
    result.facts.emplace_back(escape_for_display(key), escape_for_display(value));
}

void inspect_config(const fs::path& path, Inspection& result) {
  result.kind = Kind::kConfig;
  ConfigReading reading = read_model_config_with_notices(path);
  add_config_facts(reading.config, result);
  result.notices = std::move(reading.notices);
}

std::unique_ptr<Tokenizer> inspect_tokenizer(const fs::path& path, Inspection& result) {
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(path);
  result.notices.insert(result.notices.end(), tokenizer->load_notices().begin(), tokenizer->load_notices().end());
  return tokenizer;
}

void scan_values(const WeightsPlan& plan, Inspection& result) {
  if (plan.file_bytes > kMaxScannedBytes) {
    result.notices.push_back("The values were not scanned for NaN: the parameters take " + counted(plan.file_bytes, "byte") + ".");
    return;
  }
  std::uint64_t n_non_finite = 0;
  for (const SlotReading& step : plan.steps)
    n_non_finite += count_non_finite(StoredTensor{step.file, step.entry});
  if (n_non_finite > 0)
    result.notices.push_back(counted(n_non_finite, "parameter") + (n_non_finite == 1 ? " is" : " are") + " NaN or infinite.");
}

/// Looks at all three files, so that a broken one does not hide what the others hold.
void inspect_folder(const fs::path& folder, Inspection& result) {
  const bool is_model = is_there(folder / "config.json") || is_there(folder / "tokenizer.json") ||
                        is_there(folder / "model.safetensors") || is_there(folder / "model.safetensors.index.json");
  if (!is_model) throw Error(shown_path(folder) + ": the folder holds no config.json, model.safetensors or tokenizer.json");
  result.kind = Kind::kModelFolder;
  const auto attempt = [&](const auto& look) {
    try {
      look();
    } catch (const Error& error) {
      if (result.problem.empty()) result.problem = error.what();
    }
  };
  std::optional<ModelParams> params;
  attempt([&] {
    ConfigReading reading = read_model_config_with_notices(folder / "config.json");
    add_config_facts(reading.config, result);
    result.notices = std::move(reading.notices);
    params.emplace().config = reading.config;
  });
  attempt([&] {
    const WeightFiles files(folder);
    for (const StoredTensor& tensor : files.tensors())
      list_tensor(*tensor.entry, result);
    if (!params) {
      result.notices.insert(result.notices.end(), files.notices().begin(), files.notices().end());
      return;
    }
    const WeightsPlan plan = plan_weights(files, *params);
    result.notices.insert(result.notices.end(), plan.notices.begin(), plan.notices.end());
    scan_values(plan, result);
  });
  attempt([&] { inspect_tokenizer(folder / "tokenizer.json", result); });
}

/// Tells the JSON files apart by what they hold, and broken ones by their name.
void inspect_json(const fs::path& path, Inspection& result) {
  const std::string name = path.filename().native();
  if (name == "tokenizer.json") result.kind = Kind::kTokenizer;
  if (name == "config.json") result.kind = Kind::kConfig;
  const JsonDocument document = read_json_file(path, kMaxJsonBytes);
  const JsonValue& root = document.root;
  const JsonValue* model = root.find("model");
  const bool has_model = model != nullptr && model->is(JsonValue::Type::kObject);
  if (has_model || root.find("added_tokens") != nullptr) {
    result.kind = Kind::kTokenizer;
  } else if (root.find("model_type") != nullptr || root.find("architectures") != nullptr || root.find("hidden_size") != nullptr) {
    result.kind = Kind::kConfig;
  }
  if (result.kind == Kind::kConfig) return inspect_config(path, result);
  if (result.kind != Kind::kTokenizer)
    throw Error(shown_path(path) + ": is JSON, but neither a config.json, a tokenizer.json nor a session");
  const auto tokenizer = inspect_tokenizer(path, result);
  result.facts.emplace_back("vocabulary", std::to_string(tokenizer->vocab_size()));
}

void inspect_file(const fs::path& path, Inspection& result) {
  const std::string name = path.filename().native();
  if (name.ends_with(".headroom.json")) {
    result.kind = Kind::kSession;
    const InputFile readable(path);
    return;
  }
  const InputFile file(path);
  std::string first(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 32)), '\0');
  file.read(0, std::as_writable_bytes(std::span(first.data(), first.size())));
  const std::size_t begin = first.find_first_not_of(" \t\r\n");
  // A header's length never reaches into the upper four of its eight bytes.
  const bool has_length = first.size() > 8 && first.compare(4, 4, std::string(4, '\0')) == 0;
  if (name.ends_with(".safetensors") || has_length) return inspect_safetensors(path, result);
  if (begin != std::string::npos && first[begin] == '{') return inspect_json(path, result);
  if (name.ends_with(".json")) return inspect_json(path, result);
  if (first.empty()) throw Error(shown_path(path) + ": is empty");
  const std::string foreign = foreign_format(first);
  throw Error(shown_path(path) + ": " +
              (foreign.empty() ? "is neither safetensors nor JSON, so nothing that Headroom reads" : foreign));
}

}  // namespace

Inspection inspect_path(const fs::path& path) {
  Inspection result;
  result.path = path;
  try {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      inspect_folder(path, result);
    } else {
      inspect_file(path, result);
    }
  } catch (const std::bad_alloc&) {
    result.problem = shown_path(path) + ": needs more memory than there is";
  } catch (const std::exception& exception) {
    result.problem = exception.what();
  }
  return result;
}

}  // namespace headroom
