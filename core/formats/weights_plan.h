#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/formats/model_config.h"
#include "core/formats/safetensors.h"

namespace headroom {

/// Which tensor of the file fills which slot, decided before any value is read.
struct WeightsPlan {
  struct Step {
    const TensorEntry* entry = nullptr;
    TensorSlot slot;
  };
  std::vector<Step> steps;
  std::vector<std::string> notices;
  std::uint64_t float_bytes = 0;  ///< memory of all parameters as float32
};

/// Fits the file to what the configuration implies; fills params.layers.
/// Errors  Error with one sentence that lists tensors that are missing, unexpected, or of another shape or dtype than needed.
WeightsPlan plan_weights(const SafetensorsFile& file, ModelParams& params);

/// folder/model.safetensors. Errors  Error that says what is there instead (shards, a PyTorch file).
std::filesystem::path find_weights(const std::filesystem::path& folder);

/// Number of NaN and infinite values.
std::uint64_t count_non_finite(const Tensor& tensor);

/// Bytes of memory that a large allocation may count on: the machine's and the control group's, or nothing known (0).
std::uint64_t available_memory();

}  // namespace headroom
