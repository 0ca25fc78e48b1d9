#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/config_reader.h"
#include "core/formats/tensor_slot.h"
#include "core/model/params.h"

namespace headroom {

/// Ids of special tokens; -1 where the tokenizer has none.
struct SpecialIds {
  std::int64_t bos = -1, eos = -1, pad = -1;
};

/// One member of config.json to write: its name and its value as JSON text.
struct ConfigMember {
  std::string name;
  std::string json;
};

/// A family of checkpoints that says its configuration and its tensors in its own words. A new one is one more of these, in a file
/// family_NAME.cpp, and a line in families().
struct Family {
  const char* model_type = "";    ///< of config.json
  const char* architecture = "";  ///< the class that transformers opens it with
  const char* headless = "";      ///< the class of one that predicts nothing; empty: there is none
  const char* prefix = "";        ///< what its tensors' names begin with, or not
  /// Below these lies what layers compute, so no tensor there is passed over: "layers.".
  std::vector<std::string_view> layer_prefixes;
  /// Names, or ends of names, that hold nothing of the model: buffers, copies of tied tensors.
  std::vector<std::string_view> ignored;
  void (*read)(const ConfigReader& reader, const Family& family, ModelConfig& config) = nullptr;
  /// Tells whether the file has a tensor of that whole name.
  using HasTensor = std::function<bool(const std::string& name)>;
  /// What the tensors that are there say beside config.json, asked before `slots`: a BERT without its head. Null: nothing.
  void (*settle)(const HasTensor& has, ModelConfig& config) = nullptr;
  /// One sentence on why such a model is none of the family; empty when it is.
  std::string (*problem)(const ModelConfig& config) = nullptr;
  /// What config.json says beside model_type and architectures.
  std::vector<ConfigMember> (*write)(const ModelConfig& config, const SpecialIds& ids) = nullptr;
  /// Every tensor, in the order they are read; layers are counted already.
  std::vector<TensorSlot> (*slots)(ModelParams& params) = nullptr;
};

std::span<const Family> families();
/// Errors  Error when there is no such family.
const Family& family_named(std::string_view model_type);

// One a file.
std::vector<Family> llama_families();
Family gpt2_family();
Family gpt_neox_family();
Family bert_family();
std::vector<Family> roberta_families();
Family distilbert_family();
Family t5_family();
Family bart_family();

/// One sentence on what is not plain about a model's scores, embedding and output, for families where all is; empty when nothing is.
std::string find_score_problem(const ModelConfig& config, const std::string& family);
/// A decoder saved as its headless class has no output of its own: it predicts nothing, unless its embedding is its output.
void leave_out_missing_output(const ConfigReader& reader, const Family& family, ModelConfig& config);
/// The activation of an MLP, of a gated one what its gate goes through: "gelu", "gelu_new", "relu", "silu".
const char* activation_name(MlpKind mlp);

// Words of JSON.
std::string json_of(std::int64_t value);
std::string json_of(bool value);
std::string json_of(float value);  ///< the shortest text that is read back as the same float
std::string json_of(const char* text);
std::string json_of_id(std::int64_t id);  ///< null below 0

}  // namespace headroom
