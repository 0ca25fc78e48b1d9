#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/params.h"

namespace headroom {

/// One tensor's place in the row of all parameters.
struct ParameterSlot {
  std::string name;  ///< "layers.0.w_q", "embedding", "encoder.1.mlp_norm"
  std::int64_t offset = 0;
  std::int64_t rows = 1, cols = 0;  ///< a vector has one row
  bool decays = false;              ///< weight decay acts on it: matrices, not biases and norms

  std::int64_t size() const { return rows * cols; }
};

/// All parameters of a model in one row of floats, so that gradients, moments, kept states and checkpoints share one shape. W_Q, W_K and
/// W_V of a layer lie one after another (one product computes q, k and v), likewise their biases, and gate and up of an MLP. Each tensor begins
/// at a multiple of 16 floats; the gaps are zero and stay zero.
class ParameterLayout {
 public:
  /// Errors  ShapeError when the shape is impossible (no layers, h does not divide, d_head odd under rotary positions, ...), or the model
  ///         does what the trainer has no gradient of (norms of q and k, soft caps, windows, scaled positions, ...).
  explicit ParameterLayout(const ModelConfig& config);

  const ModelConfig& config() const { return config_; }
  const std::vector<ParameterSlot>& slots() const { return slots_; }
  /// Floats of the whole row, gaps included.
  std::int64_t size() const { return size_; }
  /// Parameters that are there, gaps not counted.
  std::int64_t n_parameters() const;
  /// Errors  Error when there is no slot of that name.
  const ParameterSlot& slot(std::string_view name) const;

 private:
  ModelConfig config_;
  std::vector<ParameterSlot> slots_;
  std::int64_t size_ = 0;
};

/// Errors  ShapeError when the model has token types, or pruned heads (train it with those heads switched off instead) or other shapes than its config says.
std::vector<float> flatten(const ParameterLayout& layout, const ModelParams& params);
ModelParams unflatten(const ParameterLayout& layout, std::span<const float> parameters);

/// Seeded parameters to start training from. W_Q, W_K, W_V and the first MLP matrices ~ N(0, 1/d_model), those that write to the residual
/// stream ~ N(0, 1/inputs) / sqrt(2 layers); embeddings ~ N(0, 1/d_model); biases of q and k ~ N(0, 0.5²) under rotary positions, which
/// lets a head prefer a distance from the start; other biases 0; norms 1.
std::vector<float> draw_parameters(const ParameterLayout& layout, std::uint64_t seed);

}  // namespace headroom
