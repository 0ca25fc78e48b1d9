#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/model_config.h"
#include "core/formats/shards.h"
#include "core/formats/slot_reader.h"

namespace headroom {

/// Which tensor of the files fills which slot, decided before any value is read.
struct WeightsPlan {
  std::vector<SlotReading> steps;
  std::vector<std::string> notices;
  std::uint64_t file_bytes = 0;    ///< that the steps read
  std::uint64_t memory_bytes = 0;  ///< of all parameters, matrices in their stored type
};

/// Fits the files to what the configuration implies; fills params.layers. `files` must outlive the plan.
/// Of a part of a model all other tensors are passed over.
/// Errors  Error with one sentence that lists tensors that are missing, unexpected, or of another shape or dtype than needed.
WeightsPlan plan_weights(const WeightFiles& files, ModelParams& params, ModelPart part = ModelPart::kWhole);

/// Memory that a pass over a sentence of usual length takes beside the parameters; estimated: all that its trace keeps.
std::uint64_t pass_memory(const ModelConfig& config);

/// Bytes of memory that a large allocation may count on: the machine's and the control group's, or nothing known (0).
std::uint64_t available_memory();
/// Memory that was freed but is still held for later allocations goes back to the system, where the C library can.
void give_back_free_memory();

}  // namespace headroom
