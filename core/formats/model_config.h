#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/formats/tensor_slot.h"
#include "core/model/params.h"

namespace headroom {

inline constexpr std::uint64_t kMaxConfigBytes = 8u << 20;

struct ConfigReading {
  ModelConfig config;
  std::vector<std::string> notices;
};

/// As read_model_config (core/formats/model_folder.h), with what is worth telling.
ConfigReading read_model_config_with_notices(const std::filesystem::path& config_json);

/// Every tensor of a checkpoint of params.config.family; makes params.layers and params.encoder_layers.
std::vector<TensorSlot> tensor_slots(ModelParams& params);

}  // namespace headroom
