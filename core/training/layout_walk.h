#pragma once

#include <cstdint>
#include <string>

#include "core/model/params.h"

namespace headroom {

/// What walk_parameters says of each tensor.
struct WalkedTensor {
  std::string name;
  std::int64_t rows = 1, cols = 0;
  bool is_matrix = false;
  bool joins_previous = false;  ///< lies right behind the tensor before it: W_K behind W_Q
};

/// Calls visit(WalkedTensor, Tensor&) for every tensor that the configuration implies, in the order of ParameterLayout. Params is ModelParams
/// or const ModelParams, its layers already counted.
template <typename Params, typename Visit>
void walk_parameters(Params& params, const Visit& visit) {
  const ModelConfig& config = params.config;
  const ModelShape& shape = config.shape;
  const std::int64_t d = shape.d_model, ff = shape.d_ff, q = shape.n_heads * shape.d_head, kv = shape.n_kv_heads * shape.d_head;
  const bool has_norm_bias = config.norm == NormKind::kLayer;
  const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t cols, auto& tensor) {
    visit(WalkedTensor{name, rows, cols, true, false}, tensor);
  };
  const auto joined = [&](const std::string& name, std::int64_t rows, std::int64_t cols, auto& tensor) {
    visit(WalkedTensor{name, rows, cols, true, true}, tensor);
  };
  const auto vector = [&](const std::string& name, std::int64_t size, auto& tensor) {
    visit(WalkedTensor{name, 1, size, false, false}, tensor);
  };
  const auto joined_vector = [&](const std::string& name, std::int64_t size, auto& tensor) {
    visit(WalkedTensor{name, 1, size, false, true}, tensor);
  };
  const auto norm = [&](const std::string& name, auto& gain, auto& bias) {
    vector(name, d, gain);
    if (has_norm_bias) vector(name + "_bias", d, bias);
  };
  const auto block = [&](const std::string& at, auto& layer, bool reads_encoder) {
    norm(at + "attention_norm", layer.attention_norm, layer.attention_norm_bias);
    matrix(at + "w_q", q, d, layer.w_q);
    joined(at + "w_k", kv, d, layer.w_k);
    joined(at + "w_v", kv, d, layer.w_v);
    if (config.has_qkv_bias) {
      vector(at + "b_q", q, layer.b_q);
      joined_vector(at + "b_k", kv, layer.b_k);
      joined_vector(at + "b_v", kv, layer.b_v);
    }
    matrix(at + "w_o", d, q, layer.w_o);
    if (config.has_o_bias) vector(at + "b_o", d, layer.b_o);
    if (reads_encoder) {
      auto& cross = layer.cross;
      norm(at + "cross_norm", cross.norm, cross.norm_bias);
      matrix(at + "cross_w_q", q, d, cross.w_q);
      matrix(at + "cross_w_k", kv, d, cross.w_k);
      joined(at + "cross_w_v", kv, d, cross.w_v);
      if (config.has_qkv_bias) {
        vector(at + "cross_b_q", q, cross.b_q);
        vector(at + "cross_b_k", kv, cross.b_k);
        joined_vector(at + "cross_b_v", kv, cross.b_v);
      }
      matrix(at + "cross_w_o", d, q, cross.w_o);
      if (config.has_o_bias) vector(at + "cross_b_o", d, cross.b_o);
    }
    // A model without MLPs still has their norm in the file, where it does nothing.
    norm(at + "mlp_norm", layer.mlp_norm, layer.mlp_norm_bias);
    if (ff == 0) return;
    if (config.mlp == MlpKind::kSwiGlu) {
      matrix(at + "w_gate", ff, d, layer.w_gate);
      joined(at + "w_up", ff, d, layer.w_up);
    } else {
      matrix(at + "w_up", ff, d, layer.w_up);
    }
    if (config.has_mlp_bias) vector(at + "b_up", ff, layer.b_up);
    matrix(at + "w_down", d, ff, layer.w_down);
    if (config.has_mlp_bias) vector(at + "b_down", d, layer.b_down);
  };

  matrix("embedding", shape.vocab_size, d, params.embedding);
  const bool has_positions = config.positions == PositionKind::kLearned;
  if (has_positions) matrix("positions", shape.max_positions, d, params.positions);
  if (config.has_embedding_norm) norm("embedding_norm", params.embedding_norm, params.embedding_norm_bias);
  const bool has_encoder = config.kind == ModelKind::kEncoderDecoder;
  for (std::size_t i = 0; i < params.layers.size(); ++i)
    block("layers." + std::to_string(i) + ".", params.layers[i], has_encoder);
  if (config.norm_place == NormPlace::kBefore) norm("final_norm", params.final_norm, params.final_norm_bias);
  if (config.has_head_transform) {
    matrix("head_dense", d, d, params.head_dense);
    vector("head_dense_bias", d, params.head_dense_bias);
    norm("head_norm", params.head_norm, params.head_norm_bias);
  }
  if (!config.ties_embeddings) matrix("lm_head", shape.vocab_size, d, params.lm_head);
  if (config.has_output_bias) vector("output_bias", shape.vocab_size, params.output_bias);
  if (!has_encoder) return;
  if (has_positions) matrix("encoder.positions", shape.max_positions, d, params.encoder_positions);
  if (config.has_embedding_norm) norm("encoder.embedding_norm", params.encoder_embedding_norm, params.encoder_embedding_norm_bias);
  for (std::size_t i = 0; i < params.encoder_layers.size(); ++i)
    block("encoder." + std::to_string(i) + ".", params.encoder_layers[i], false);
}

}  // namespace headroom
