#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/formats/tokenizer.h"
#include "core/model/params.h"

namespace headroom {

/// config.json of a folder of any of families() (core/formats/family.h), every number checked.
/// Errors  Error with the file, the field, what it holds and what would be right.
ModelConfig read_model_config(const std::filesystem::path& config_json);

struct LoadedModel {
  std::filesystem::path folder;
  ModelParams params;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<std::string> notices;
};

/// A Hugging Face folder: config.json, model.safetensors, tokenizer.json. Every tensor's shape must be what the config implies.
/// Non-finite values are counted and told in notices. progress gets the share of bytes read.
LoadedModel load_model_folder(const std::filesystem::path& folder, const std::function<void(double)>& progress = {},
                              std::stop_token stop = {});

}  // namespace headroom
