#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/model/params.h"

namespace headroom {

inline constexpr std::uint64_t kMaxConfigBytes = 8u << 20;

struct ConfigReading {
  ModelConfig config;
  std::vector<std::string> notices;
};

/// As read_model_config (core/formats/model_folder.h), with what is worth telling.
ConfigReading read_model_config_with_notices(const std::filesystem::path& config_json);

/// One tensor that a configuration implies, and where its values go.
struct TensorSlot {
  std::string name;  ///< without the "model." prefix
  std::vector<std::int64_t> shape;
  Tensor* target = nullptr;
};

/// Every tensor of a Llama-family checkpoint; makes params.layers. lm_head.weight is the only name that never has a prefix.
std::vector<TensorSlot> tensor_slots(ModelParams& params);

}  // namespace headroom
