#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/formats/tensor_slot.h"
#include "core/model/params.h"

namespace headroom {

inline constexpr std::uint64_t kMaxConfigBytes = 8u << 20;

/// How much of a model its configuration lets one compute.
enum class ModelPart {
  kWhole,
  kFirstAttention,  ///< the first layer without its MLP, whose activation is not known; the configuration then says one layer, d_ff 0
};

struct ConfigReading {
  ModelConfig config;
  ModelPart part = ModelPart::kWhole;
  std::vector<std::string> notices;
};

/// As read_model_config (core/formats/model_folder.h), with what is worth telling. A model of one stack whose activation has an unknown name
/// is no error here: the notices say which part of it is left.
ConfigReading read_model_config_with_notices(const std::filesystem::path& config_json);

/// Every tensor of a checkpoint of params.config.family; makes params.layers and params.encoder_layers.
std::vector<TensorSlot> tensor_slots(ModelParams& params);

}  // namespace headroom
