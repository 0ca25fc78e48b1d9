#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/params.h"

namespace headroom {

enum class SavedFloats { kFloat32, kFloat16 };

/// One more file of a model's folder, such as the state of its training.
struct FolderFile {
  std::string name;  ///< a bare file name
  std::string bytes;
};

/// What is saved beside the parameters and the tokenizer.
struct SaveNotes {
  std::string readme;                           ///< README.md; empty: none
  std::map<std::string, std::string> metadata;  ///< of model.safetensors; keys "format", "written_by" and "files" are set here
  SavedFloats floats = SavedFloats::kFloat32;
  std::vector<FolderFile> more_files;
};

/// Writes a Hugging Face folder of params.config.family (any that is read; a model that predicts nothing as its class
/// without a head) that `transformers` opens: config.json,
/// model.safetensors, tokenizer.json, tokenizer_config.json, README.md where there is one, and notes.more_files. Whole or not at all: a
/// temporary folder beside it, fsync, rename. Special tokens (<bos>, <eos>, <pad>, <unk>, <mask>) get their ids from the tokenizer's text.
///
/// Edge    Pruned heads are written as zeros, which compute the same; the file's architectures have no layers of fewer heads.
///         An existing folder is replaced when it is empty, or a model that this function wrote and to which no file was added since.
/// Errors  Error with one sentence: the family cannot hold such a model, the folder is something else, or it cannot be written (disk
///         full, no right); then nothing is left behind and an old folder stays whole.
void save_model_folder(const ModelParams& params, std::string_view tokenizer_json, const std::filesystem::path& folder,
                       const SaveNotes& notes = {});

/// Whether save_model_folder could write there, asked before hours of training. Errors  as save_model_folder.
void check_model_folder_to_write(const std::filesystem::path& folder);

/// One sentence on why the family named in the configuration cannot hold such a model, e.g. "GPT-2 has one K/V head for each head, so
/// kv_heads must be h"; empty when it can.
std::string find_family_problem(const ModelConfig& config);

}  // namespace headroom
