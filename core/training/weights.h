#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/tensor/aligned_buffer.h"
#include "core/tensor/parallel.h"
#include "core/training/layout.h"

namespace headroom {

/// Where a linear layer's parameters lie in the row of all, and its transposed copy in TransposedWeights.
struct LinearPlace {
  std::int64_t weight = -1;      ///< [outputs, inputs]
  std::int64_t bias = -1;        ///< [outputs]; -1: none
  std::int64_t transposed = -1;  ///< [inputs, outputs]
  std::int64_t outputs = 0, inputs = 0;
};

struct NormPlaces {
  std::int64_t gain = -1, bias = -1;  ///< -1: there is none
  bool is_there() const { return gain >= 0; }
};

struct BlockPlaces {
  NormPlaces attention_norm;
  LinearPlace qkv;  ///< W_Q, W_K and W_V as one
  LinearPlace out;
  bool reads_encoder = false;
  NormPlaces cross_norm;
  LinearPlace cross_q, cross_kv, cross_out;
  NormPlaces mlp_norm;
  bool has_mlp = false;
  LinearPlace up;  ///< gate and up as one under SwiGLU
  LinearPlace down;
};

struct StackPlaces {
  std::int64_t positions = -1;  ///< [max_positions, d_model]; -1: rotary
  NormPlaces embedding_norm;
  std::vector<BlockPlaces> blocks;
};

/// All places of a model, found once by name.
struct ParameterPlaces {
  explicit ParameterPlaces(const ParameterLayout& layout);

  std::int64_t embedding = 0;
  StackPlaces main;     ///< of an encoder-decoder: the decoder
  StackPlaces encoder;  ///< no blocks: there is none
  NormPlaces final_norm;
  std::optional<LinearPlace> head_dense;
  NormPlaces head_norm;
  LinearPlace output;  ///< the embedding where tied
  std::int64_t transposed_size = 0;

  std::vector<LinearPlace> all_linear() const;
};

/// The transposed weights, remade when parameters have changed: the forward products read columns side by side.
class TransposedWeights {
 public:
  explicit TransposedWeights(const ParameterPlaces& places);
  void refresh(ThreadPool& pool, std::span<const float> parameters);
  const float* data() const { return values_.data(); }

 private:
  struct Piece {
    LinearPlace place;
    std::int64_t begin = 0, end = 0;  ///< rows of the weight
  };
  std::vector<Piece> pieces_;
  AlignedBuffer<float> values_;
};

}  // namespace headroom
