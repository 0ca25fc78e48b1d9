#include "core/formats/inspect.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "core/cost/thousands.h"
#include "core/formats/capture.h"
#include "core/formats/capture_file.h"
#include "core/formats/capture_plan.h"
#include "core/formats/card_reader.h"
#include "core/formats/json_value.h"
#include "core/formats/model_folder.h"
#include "core/formats/safetensors_header.h"
#include "core/formats/tensor_listing.h"
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
  result.tensors.push_back({escape_for_display(entry.name), dtype_name(entry.dtype), shape_text(entry), entry.end - entry.begin});
}

/// A label that is there already stays as it is; what is not known is not told.
void add_fact(const std::string& label, const std::string& value, Inspection& result) {
  const bool is_there = std::ranges::any_of(result.facts, [&](const auto& fact) { return fact.first == label; });
  if (!is_there && !value.empty()) result.facts.emplace_back(label, value);
}

/// The numbers that every configuration is first asked for.
struct ModelNumbers {
  std::string family;
  std::optional<std::int64_t> n_encoder_layers, n_layers, n_heads, n_kv_heads, d_model, d_head, d_ff, n_parameters, vocabulary,
      context;
};
void add_numbers(const ModelNumbers& numbers, Inspection& result) {
  const auto add = [&](const char* label, std::optional<std::int64_t> n) { add_fact(label, n ? std::to_string(*n) : "", result); };
  add_fact("family", numbers.family, result);
  add("encoder layers", numbers.n_encoder_layers);
  add("layers", numbers.n_layers);
  add("heads", numbers.n_heads);
  add("kv_heads", numbers.n_kv_heads);
  add("d_model", numbers.d_model);
  add("d_k", numbers.d_head);
  add("d_ff", numbers.d_ff);
  add("parameters", numbers.n_parameters);
  add("vocabulary", numbers.vocabulary);
  add("context", numbers.context);
}

/// Of a model that the program computes with.
void add_config_facts(const ModelConfig& config, Inspection& result) {
  const ModelShape& shape = config.shape;
  ModelParams params;
  params.config = config;
  std::int64_t n_parameters = 0;
  for (const TensorSlot& slot : tensor_slots(params)) {
    if (slot.layout == SlotLayout::kCopy || slot.layout == SlotLayout::kSame) continue;
    std::int64_t n = 1;
    for (const std::int64_t dim : slot.shape)
      n *= dim == kAnyRows ? kWrittenAnyRows : dim;  // each dimension is bounded by the configuration's reader
    n_parameters += n;
  }
  add_numbers({.family = config.family,
               .n_layers = shape.n_layers,
               .n_heads = shape.n_heads,
               .n_kv_heads = shape.n_kv_heads,
               .d_model = shape.d_model,
               .d_head = shape.d_head,
               .d_ff = shape.d_ff,
               .n_parameters = n_parameters,
               .vocabulary = shape.vocab_size,
               .context = shape.max_positions},
              result);
}

/// What a configuration of any family tells.
void add_card_facts(const ModelCard& card, Inspection& result) {
  const CardStack& stack = card.main_stack();
  const CardParameters parameters = count_parameters(card);
  add_numbers({.family = escape_for_display(card.family),
               .n_encoder_layers = card.kind == CardKind::kEncoderDecoder ? card.encoder.n_layers : std::nullopt,
               .n_layers = stack.n_layers,
               .n_heads = stack.n_heads,
               .n_kv_heads = stack.n_kv_heads,
               .d_model = card.d_model,
               .d_head = card.d_head,
               .d_ff = stack.d_ff,
               .n_parameters = parameters.total,
               .vocabulary = card.vocab,
               .context = card.context},
              result);
  add_fact("sharing", sharing_text(stack), result);
  for (const PartCount& part : parameters.parts)
    if (part.n.value_or(0) > 0)
      add_fact(std::string("parameters of ") + card_part_name(part.part), part.formula + " = " + grouped_digits(*part.n), result);
  for (const CardLine& line : card_lines(card, KvType::kFloat16, card.context.value_or(2048)).cache)
    add_fact("KV cache in float16, " + line.label, line.formula + " = " + line.result, result);
}

/// The card beside what the program itself reads of it, and what it cannot tell.
void inspect_card(const fs::path& config, Inspection& result) {
  const ModelCard card = read_card_file(config);
  add_card_facts(card, result);
  for (const std::vector<std::string>* sentences : {&card.missing, &card.notices})
    for (const std::string& sentence : *sentences)
      if (std::find(result.notices.begin(), result.notices.end(), sentence) == result.notices.end())
        result.notices.push_back(sentence);
}

void list_tensors_of(const fs::path& path, Inspection& result) {
  const TensorListing listing = list_tensors(path);
  for (const ListedTensor& tensor : listing.tensors)
    result.tensors.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  result.notices.insert(result.notices.end(), listing.notices.begin(), listing.notices.end());
}

/// Attentions that another program left: what there is of them, and what its sampled rows hold.
void inspect_capture(const fs::path& path, Inspection& result) {
  result.kind = Kind::kCapture;
  const Capture capture(path);
  const CaptureFacts& facts = capture.facts();
  const auto add = [&](const char* label, std::int64_t value) {
    if (value > 0) result.facts.emplace_back(label, std::to_string(value));
  };
  if (!facts.model.empty()) result.facts.emplace_back("model", escape_for_display(facts.model));
  if (!facts.tool.empty()) result.facts.emplace_back("written by", escape_for_display(facts.tool));
  add("layers", facts.n_layers);
  add("encoder layers", facts.n_encoder_layers);
  add("heads", facts.n_heads);
  add("kv_heads", facts.n_kv_heads);
  add("d_k", facts.d_head);
  add("queries", facts.seq_q);
  add("keys", facts.seq_k);
  add("texts", facts.n_entries);
  result.facts.emplace_back("bytes", std::to_string(facts.bytes));
  for (const NumericArray& array : capture.file().arrays) {
    std::uint64_t bytes = array.format.bytes;
    for (const std::int64_t n : array.shape)
      bytes *= static_cast<std::uint64_t>(n);  // the product is known to fit
    result.tensors.push_back({escape_for_display(array.name), number_name(array.format), shape_text(array.shape), bytes});
  }
  const CapturePass pass = capture.read({});
  const std::vector<std::string> problems = pass.report.problems();
  result.facts.emplace_back("rows", pass.report.summary());
  for (const std::string& notice : pass.notices)
    if (problems.empty() || notice != problems.front()) result.notices.push_back(notice);
  if (!problems.empty()) result.problem = shown_path(path) + ": " + problems.front();
}

/// By the names of its tensors; parameters have others.
bool is_capture(const fs::path& path) {
  try {
    return holds_attention(open_capture_file(path));
  } catch (const Error&) {
    return false;
  }
}

void inspect_safetensors(const fs::path& path, Inspection& result) {
  result.kind = Kind::kSafetensors;
  const SafetensorsFile file(path);
  if (is_capture(path)) return inspect_capture(path, result);
  for (const TensorEntry& entry : file.tensors())
    list_tensor(entry, result);
  result.facts.emplace_back("tensors", std::to_string(file.tensors().size()));
  result.facts.emplace_back("bytes", std::to_string(file.file_size()));
  for (const auto& [key, value] : file.metadata())
    result.facts.emplace_back(escape_for_display(key), escape_for_display(value));
}

void inspect_config(const fs::path& path, Inspection& result) {
  result.kind = Kind::kConfig;
  try {
    ConfigReading reading = read_model_config_with_notices(path);
    add_config_facts(reading.config, result);
    result.notices = std::move(reading.notices);
  } catch (const Error& error) {
    result.problem = error.what();
  }
  try {
    inspect_card(path, result);
  } catch (const Error& error) {
    if (result.problem.empty()) result.problem = error.what();
  }
}

/// model.safetensors.index.json: the shards that it names, beside it.
void inspect_index(const fs::path& path, Inspection& result) {
  result.kind = Kind::kShardIndex;
  const WeightFiles files(path.parent_path());
  for (const StoredTensor& tensor : files.tensors())
    list_tensor(*tensor.entry, result);
  result.facts.emplace_back("files", std::to_string(files.n_files()));
  result.facts.emplace_back("tensors", std::to_string(files.tensors().size()));
  result.facts.emplace_back("bytes", std::to_string(files.total_bytes()));
  result.notices = files.notices();
}

/// A tokenizer.json, or whatever a folder's tokenizer is written in.
std::unique_ptr<Tokenizer> inspect_tokenizer(const fs::path& path, Inspection& result) {
  std::unique_ptr<Tokenizer> tokenizer = fs::is_directory(path) ? load_folder_tokenizer(path) : load_tokenizer(path);
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
  std::error_code ignored;
  const auto has_tensors = [&] {
    return std::any_of(fs::directory_iterator(folder, ignored), fs::directory_iterator(),
                       [](const fs::directory_entry& entry) { return entry.path().extension() == ".safetensors"; });
  };
  const bool is_model = is_there(folder / "config.json") || is_there(folder / "tokenizer.json") ||
                        is_there(folder / "model.safetensors") || is_there(folder / "model.safetensors.index.json") ||
                        has_tensors();
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
  ModelPart part = ModelPart::kWhole;
  attempt([&] {
    ConfigReading reading = read_model_config_with_notices(folder / "config.json");
    add_config_facts(reading.config, result);
    result.notices = std::move(reading.notices);
    params.emplace().config = reading.config;
    part = reading.part;
  });
  // Whatever the program can compute with, the configuration tells its numbers.
  try {
    if (is_there(folder / "config.json")) inspect_card(folder / "config.json", result);
  } catch (const Error&) {
    // said above
  }
  attempt([&] {
    std::optional<WeightFiles> found;
    try {
      found.emplace(folder);
    } catch (const Error&) {
      list_tensors_of(folder, result);  // what there is, though it is not whole
      throw;
    }
    const WeightFiles& files = *found;
    for (const StoredTensor& tensor : files.tensors())
      list_tensor(*tensor.entry, result);
    if (!params) {
      result.notices.insert(result.notices.end(), files.notices().begin(), files.notices().end());
      return;
    }
    const WeightsPlan plan = plan_weights(files, *params, part);
    result.notices.insert(result.notices.end(), plan.notices.begin(), plan.notices.end());
    scan_values(plan, result);
  });
  attempt([&] { inspect_tokenizer(folder, result); });
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
  if (root.find("weight_map") != nullptr && name.ends_with(".index.json")) {
    return inspect_index(path, result);
  } else if (has_model || root.find("added_tokens") != nullptr) {
    result.kind = Kind::kTokenizer;
  } else if (root.find("model_type") != nullptr || root.find("architectures") != nullptr || root.find("hidden_size") != nullptr ||
             root.find("n_embd") != nullptr || root.find("text_config") != nullptr) {
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
  if (name.ends_with(".npz") || name.ends_with(".npy") || first.starts_with("\x93NUMPY")) return inspect_capture(path, result);
  if (begin != std::string::npos && first[begin] == '{') return inspect_json(path, result);
  if (name.ends_with(".json")) return inspect_json(path, result);
  if (first.empty()) throw Error(shown_path(path) + ": is empty");
  const std::string foreign = foreign_format(first);
  throw Error(shown_path(path) + ": " +
              (foreign.empty() ? "is neither safetensors nor JSON nor numpy arrays, so nothing that Headroom reads" : foreign));
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
