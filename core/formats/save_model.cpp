#include "core/formats/save_model.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/formats/family.h"
#include "core/formats/file.h"
#include "core/formats/folder_write.h"
#include "core/formats/json_value.h"
#include "core/formats/model_config.h"
#include "core/formats/safetensors.h"
#include "core/model/surgery.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using Type = JsonValue::Type;

constexpr const char* kWriter = "Headroom";

/// What a special token is for, and how vocabularies spell it.
struct SpecialToken {
  const char* role;
  std::vector<const char*> spellings;
};
const std::array kSpecialTokens = {
    SpecialToken{"bos_token", {"<bos>", "<s>", "[CLS]"}}, SpecialToken{"eos_token", {"<eos>", "</s>", "<|endoftext|>", "[SEP]"}},
    SpecialToken{"unk_token", {"<unk>", "[UNK]"}},        SpecialToken{"pad_token", {"<pad>", "[PAD]"}},
    SpecialToken{"mask_token", {"<mask>", "[MASK]"}},
};

struct FoundToken {
  std::string role, text;
  std::int64_t id = -1;
};

/// The special tokens that the tokenizer's text holds, in the order of roles.
std::vector<FoundToken> find_special_tokens(std::string_view tokenizer_json) {
  const JsonDocument document = parse_json(tokenizer_json, "the tokenizer to save");
  const JsonValue* model = document.root.find("model");
  const JsonValue* vocabulary = model == nullptr ? nullptr : model->find("vocab");
  const JsonValue* added = document.root.find("added_tokens");
  const auto id_of = [&](const char* text) -> std::int64_t {
    const JsonValue* id = vocabulary == nullptr ? nullptr : vocabulary->find(text);
    if (added != nullptr)
      for (const JsonValue& token : added->items) {
        const JsonValue* content = token.find("content");
        if (id == nullptr && content != nullptr && content->is(Type::kString) && content->string == text) id = token.find("id");
      }
    return id != nullptr && id->is(Type::kUnsigned) ? static_cast<std::int64_t>(id->unsigned_value) : -1;
  };
  std::vector<FoundToken> found;
  for (const SpecialToken& token : kSpecialTokens)
    for (const char* spelling : token.spellings)
      if (const std::int64_t id = id_of(spelling); id >= 0) {
        found.push_back({token.role, spelling, id});
        break;
      }
  return found;
}

SpecialIds special_ids(const std::vector<FoundToken>& tokens, std::int64_t vocab_size) {
  SpecialIds ids;
  for (const FoundToken& token : tokens) {
    if (token.id >= vocab_size) continue;
    if (token.role == "bos_token") ids.bos = token.id;
    if (token.role == "eos_token") ids.eos = token.id;
    if (token.role == "pad_token") ids.pad = token.id;
  }
  return ids;
}

std::string config_text(const ModelParams& params, const SpecialIds& ids, SavedFloats floats) {
  const ModelConfig& config = params.config;
  const Family& family = family_named(config.family);
  const std::string architecture = config.predicts ? family.architecture : family.headless;
  std::string text =
      "{\n  \"architectures\": [\n    \"" + architecture + "\"\n  ],\n  \"model_type\": \"" + family.model_type + "\"";
  for (const ConfigMember& member : family.write(config, ids))
    text += ",\n  \"" + member.name + "\": " +
            (member.name == "type_vocab_size" && !params.token_types.empty() ? json_of(params.token_types.dim(0)) : member.json);
  return text + ",\n  \"torch_dtype\": \"" + (floats == SavedFloats::kFloat32 ? "float32" : "float16") + "\"\n}\n";
}

std::string tokenizer_config_text(const std::vector<FoundToken>& tokens, std::int64_t max_positions) {
  nlohmann::ordered_json json;
  json["tokenizer_class"] = "PreTrainedTokenizerFast";
  json["model_max_length"] = max_positions;
  for (const FoundToken& token : tokens)
    json[token.role] = token.text;
  return json.dump(2) + "\n";
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ",") + name;
  return text;
}

std::string weights_bytes(ModelParams params, const SaveNotes& notes, const std::vector<std::string>& names) {
  const Family& family = family_named(params.config.family);
  SafetensorsWriter writer;
  for (const auto& [key, value] : notes.metadata)
    writer.set_metadata(key, value);
  writer.set_metadata("format", "pt");  // transformers asks for it
  writer.set_metadata("written_by", kWriter);
  writer.set_metadata("files", listed(names));
  for (const TensorSlot& slot : tensor_slots(params)) {
    const Tensor values = slot_values(slot);
    const std::string name = (slot.has_prefix ? family.prefix : "") + slot.name;
    if (notes.floats == SavedFloats::kFloat32) {
      writer.add(name, values.shape(), values.span());
    } else {
      writer.add_float16(name, values.shape(), values.span());
    }
  }
  return writer.bytes();
}

/// A model that this program wrote and that nobody added a file to.
bool is_own_model(const fs::path& folder) {
  try {
    const SafetensorsFile file(folder / "model.safetensors");
    const auto by = file.metadata().find("written_by"), files = file.metadata().find("files");
    if (by == file.metadata().end() || by->second != kWriter || files == file.metadata().end()) return false;
    const std::string known = "," + files->second + ",";
    return std::ranges::all_of(fs::directory_iterator(folder), [&](const fs::directory_entry& entry) {
      return entry.symlink_status().type() == fs::file_type::regular &&
             known.find("," + entry.path().filename().native() + ",") != std::string::npos;
    });
  } catch (const std::exception&) {
    return false;
  }
}

bool is_bare_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/,\0", 3)) == std::string::npos;
}

}  // namespace

void save_model_folder(const ModelParams& params, std::string_view tokenizer_json, const fs::path& folder, const SaveNotes& notes) {
  if (const std::string problem = find_family_problem(params.config); !problem.empty())
    throw Error(shown_path(folder) + ": the model cannot be saved: " + problem);
  const std::vector<FoundToken> tokens = find_special_tokens(tokenizer_json);
  const ModelShape& shape = params.config.shape;
  std::vector<FolderFile> files = {
      {"config.json", config_text(params, special_ids(tokens, shape.vocab_size), notes.floats)},
      {"tokenizer.json", std::string(tokenizer_json)},
      {"tokenizer_config.json", tokenizer_config_text(tokens, shape.max_positions)},
  };
  if (!notes.readme.empty()) files.push_back({"README.md", notes.readme});
  files.insert(files.end(), notes.more_files.begin(), notes.more_files.end());
  std::vector<std::string> names = {"model.safetensors"};
  for (const FolderFile& file : files) {
    if (!is_bare_name(file.name) || std::ranges::count(names, file.name) > 0)
      throw Error(in_quotes(file.name) + " is no name for one more file of a model's folder");
    names.push_back(file.name);
  }
  files.push_back({"model.safetensors", weights_bytes(fill_pruned_heads(params), notes, names)});
  std::vector<WrittenFile> written;
  for (const FolderFile& file : files)
    written.push_back({file.name, file.bytes});
  write_folder_atomically(folder, written, is_own_model);
}

void check_model_folder_to_write(const fs::path& folder) { check_folder_to_write(folder, is_own_model); }

}  // namespace headroom
