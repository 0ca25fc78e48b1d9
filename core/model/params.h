#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/attention/layer.h"
#include "core/model/shape.h"
#include "core/tensor/tensor.h"

namespace headroom {

/// What a Llama-family checkpoint says beside its shape.
struct ModelConfig {
  std::string family = "qwen2";  ///< model_type of config.json
  ModelShape shape;
  float rope_theta = 10000;
  float rms_norm_eps = 1e-6f;
  bool ties_embeddings = true;
  bool has_qkv_bias = true;
  bool has_o_bias = false;

  bool operator==(const ModelConfig&) const = default;
};

/// One block. After surgery its head counts differ from the model's: `heads` and `kv_head_of` say what is left.
struct LayerParams {
  Tensor attention_norm;  ///< [d_model]
  Tensor w_q, b_q;        ///< [n_heads * d_head, d_model], [n_heads * d_head] or empty
  Tensor w_k, b_k;        ///< [n_kv_heads * d_head, d_model]
  Tensor w_v, b_v;        ///< [n_kv_heads * d_head, d_model]
  Tensor w_o, b_o;        ///< [d_model, n_heads * d_head]
  Tensor mlp_norm;        ///< [d_model]
  Tensor w_gate, w_up;    ///< [d_ff, d_model]
  Tensor w_down;          ///< [d_model, d_ff]

  std::vector<std::int64_t> heads;       ///< which head of the unpruned layer each remaining one is; ascending
  std::vector<std::int64_t> kv_heads;    ///< likewise for K/V heads
  std::vector<std::int64_t> kv_head_of;  ///< index into kv_heads for each remaining head

  bool is_drawn() const { return !attention_norm.empty(); }
  AttentionLayerParams attention() const;
};

/// A whole decoder-only transformer: RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied or untied output.
struct ModelParams {
  ModelConfig config;
  Tensor embedding;  ///< [vocab_size, d_model]
  std::vector<LayerParams> layers;
  Tensor final_norm;  ///< [d_model]
  Tensor lm_head;     ///< [vocab_size, d_model]; empty when tied

  ConstMatrixView output() const { return config.ties_embeddings ? embedding.matrix() : lm_head.matrix(); }
};

/// Number of single parameters, by part. A tied output is counted once. Those of layers that are not drawn count too.
struct ParameterCount {
  std::int64_t embedding = 0, attention = 0, mlp = 0, norms = 0, output = 0;
  std::int64_t total() const { return embedding + attention + mlp + norms + output; }
};
ParameterCount count_parameters(const ModelParams& params);

/// Fills LayerParams::heads, kv_heads, kv_head_of for an unpruned layer.
void set_unpruned(LayerParams& layer, std::int64_t n_heads, std::int64_t n_kv_heads);

/// Which layers' parameters are there: a long text is first looked at through its first layer alone.
enum class DrawnLayers { kAll, kFirst };

/// Seeded random parameters of any valid shape ("lab": untrained), scaled so that activations stay of order one. With kFirst the later
/// layers know their heads but have no tensors, nor has an untied output; the first layer is the same either way.
ModelParams make_random_params(const ModelConfig& config, std::uint64_t seed, DrawnLayers drawn = DrawnLayers::kAll);

}  // namespace headroom
